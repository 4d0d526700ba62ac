import type { IconNode } from "lucide";
import type { ButtonHTMLAttributes, ComponentChildren } from "preact";
import { Icon } from "./icon";

type Kind = "primary" | "plain" | "quiet" | "danger";

interface ButtonProps extends Omit<ButtonHTMLAttributes<HTMLButtonElement>, "icon"> {
  kind?: Kind;
  icon?: IconNode;
  busy?: boolean;
  small?: boolean;
  children?: ComponentChildren;
}

export function Button({ kind = "plain", icon, busy, small, children, disabled, ...rest }: ButtonProps) {
  return (
    <button type="button" {...rest} class={`button ${kind}${small ? " small" : ""}`} disabled={disabled} aria-busy={busy || undefined} aria-disabled={busy || undefined}>
      {busy ? <span class="spinner" aria-hidden="true" /> : icon && <Icon of={icon} />}
      {children && <span>{children}</span>}
    </button>
  );
}

/** A button that is an icon alone; its label is read and shown as a hint. */
export function IconButton({ label, icon, pressed, ...rest }: Omit<ButtonHTMLAttributes<HTMLButtonElement>, "icon" | "label"> & { label: string; icon: IconNode; pressed?: boolean }) {
  return (
    <button type="button" {...rest} class="icon-button" aria-label={label} title={label} aria-pressed={pressed}>
      <Icon of={icon} />
    </button>
  );
}

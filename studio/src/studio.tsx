/** The frame around all views: where one can go, which theme, whether the server answers. */
import { Bot, CloudOff, Images, Moon, Plus, Ruler, Server, Sun, SunMoon, Code as CodeIcon } from "lucide";
import type { IconNode } from "lucide";
import type { ComponentType } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Route } from "./router";
import { useRoute } from "./router";
import { text } from "./texts";
import { IconButton } from "./ui/button";
import { useKept, useReachable } from "./ui/hooks";
import { Icon } from "./ui/icon";
import { Skeleton } from "./ui/parts";
import { Create } from "./views/create/create";

type ViewModule = { default: ComponentType<{ route: Route }> };

/** Create is what most come for; the others are fetched when somebody goes there. */
const LATER: Record<string, () => Promise<ViewModule>> = {
  jobs: () => import("./views/model/job"),
  batch: () => import("./views/batch"),
  library: () => import("./views/library/library"),
  check: () => import("./views/check"),
  assistant: () => import("./views/assistant/assistant"),
  system: () => import("./views/system/system"),
};

const PLACES: readonly [view: string, icon: IconNode][] = [
  ["create", Plus], ["library", Images], ["check", Ruler], ["assistant", Bot], ["system", Server],
];
/** A job and a batch are things of the library. */
const WITHIN: Record<string, string> = { jobs: "library", batch: "library" };
const NEXT = { system: "light", light: "dark", dark: "system" } as const;
const THEME_ICONS = { system: SunMoon, light: Sun, dark: Moon };

export function Studio() {
  const route = useRoute();
  const reachable = useReachable();
  const main = useRef<HTMLElement>(null);
  const place = WITHIN[route.view] ?? route.view;
  const titles = text.views as Record<string, { title: string }>;
  const title = (titles[route.view] ?? titles.create)!.title;

  const first = useRef(true);
  useEffect(() => {
    document.title = `${title} · ${text.common.name}`;
    if (!first.current) main.current?.focus({ preventScroll: true });
    first.current = false;
    scrollTo(0, 0);
  }, [route.view, route.id]);

  return (
    <>
      <a class="skip" href="#main" onClick={(event) => { event.preventDefault(); main.current?.focus(); }}>{text.shell.skip}</a>
      <header class="shell">
        <a class="brand" href="#/" aria-label={text.common.name}><Mark /><span>orfeas</span></a>
        <nav aria-label={text.shell.navigation}>
          {PLACES.map(([view, icon]) => (
            <a key={view} href={view === "create" ? "#/" : `#/${view}`} aria-current={place === view ? "page" : undefined}>
              <Icon of={icon} size={20} />
              <span>{text.shell.places[view as keyof typeof text.shell.places]}</span>
            </a>
          ))}
        </nav>
        <div class="shell-foot">
          <a href="/docs"><Icon of={CodeIcon} size={18} /><span>{text.shell.api}</span></a>
          <ThemeButton />
        </div>
      </header>
      {!reachable && (
        <div class="unreachable" role="alert"><Icon of={CloudOff} />{text.shell.unreachable}</div>
      )}
      <main id="main" ref={main} tabIndex={-1} class={`view view-${route.view}`}>
        <CurrentView route={route} />
      </main>
    </>
  );
}

function CurrentView({ route }: { route: Route }) {
  const [loaded, setLoaded] = useState<{ view: string; Found: ComponentType<{ route: Route }> } | null>(null);
  const load = LATER[route.view];
  useEffect(() => {
    let here = true;
    void load?.().then(({ default: Found }) => here && setLoaded({ view: route.view, Found }));
    return () => void (here = false);
  }, [route.view]);
  if (!load) return <Create route={route} />;
  if (loaded?.view !== route.view) return <div class="page"><Skeleton lines={5} /></div>;
  return <loaded.Found key={route.id} route={route} />;
}

function ThemeButton() {
  const [theme, setTheme] = useKept<keyof typeof NEXT>("theme", "system");
  useEffect(() => {
    if (theme === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
  }, [theme]);
  return <IconButton icon={THEME_ICONS[theme]} label={text.shell.themes[theme]} onClick={() => setTheme(NEXT[theme])} />;
}

/** The cube of the icon. */
const Mark = () => (
  <svg class="mark" width="28" height="28" viewBox="0 0 512 512" aria-hidden="true">
    <path d="M256 87 402 171 256 255 110 171z" fill="#f3c14f" />
    <path d="M110 171 256 255V424L110 340z" fill="var(--mark-front)" />
    <path d="M402 171V340L256 424V255z" fill="#da652a" />
    <ellipse cx="183" cy="298" rx="38" ry="48" fill="var(--mark-hole)" />
  </svg>
);


/** Errors of the page itself go to the server's log, where the one who runs it finds them. */
const MOST = 5;
let sent = 0;

function report(message: string, stack: string | undefined): void {
  if (++sent > MOST) return;
  const body = JSON.stringify({ message, stack, url: location.pathname + location.hash, userAgent: navigator.userAgent, timestamp: new Date().toISOString() });
  void fetch("/api/log-error", { method: "POST", headers: { "Content-Type": "application/json" }, body, keepalive: true }).catch(() => {});
}

export function reportErrors(): void {
  addEventListener("error", (event) => report(event.message, (event.error as Error | undefined)?.stack));
  addEventListener("unhandledrejection", (event) => {
    const cause: unknown = event.reason;
    if (cause instanceof DOMException && cause.name === "AbortError") return;
    report(cause instanceof Error ? cause.message : String(cause), cause instanceof Error ? cause.stack : undefined);
  });
}

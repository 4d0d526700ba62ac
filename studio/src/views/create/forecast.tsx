/** What a wish would take, before it is wished. */
import { useEffect, useState } from "preact/hooks";
import { Gauge } from "lucide";
import { estimate } from "../../api/generation";
import type { Wish } from "../../api/generation";
import type { Estimate } from "../../api/types";
import { duration, fill, text, whole } from "../../texts";
import { Icon } from "../../ui/icon";

export function useForecast(wish: Wish | null): { found: Estimate | null; problem: unknown } {
  const key = wish && JSON.stringify(wish);
  const [state, setState] = useState<{ found: Estimate | null; problem: unknown }>({ found: null, problem: null });
  useEffect(() => {
    if (!key) return setState({ found: null, problem: null });
    const stop = new AbortController();
    const timer = setTimeout(() => {
      estimate(JSON.parse(key) as Wish, stop.signal).then(
        (found) => setState({ found, problem: null }),
        (problem: unknown) => stop.signal.aborted || setState({ found: null, problem }),
      );
    }, 250);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [key]);
  return state;
}

export function Forecast({ found }: { found: Estimate | null }) {
  const words = found && sentence(found);
  return (
    <p class="forecast" role="status">
      {words && <><Icon of={Gauge} size={16} /><span>{words}</span></>}
    </p>
  );
}

function sentence(found: Estimate): string {
  const engine = (text.engines as Record<string, { name: string }>)[found.engine]?.name ?? found.engine;
  const parts = [fill(text.create.by, { engine })];
  if (found.cached) parts.push(text.create.madeBefore);
  else if (found.seconds === null) parts.push(text.create.unmeasured);
  else parts.push(fill(text.create.about, { time: duration(found.seconds) }));
  if (!found.cached && found.queue_wait_seconds && found.queue_wait_seconds >= 1) parts.push(fill(text.create.waiting, { time: duration(found.queue_wait_seconds) }));
  if (found.vram_mb) parts.push(fill(text.create.memory, { mb: whole(found.vram_mb) }));
  if (!found.fits) parts.push(text.create.doesNotFit);
  return parts.join(" · ");
}

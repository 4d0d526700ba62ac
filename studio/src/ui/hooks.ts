import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { onReachable } from "../api/client";

export interface Loaded<T> {
  value: T | null;
  problem: unknown;
  reload: () => void;
}

/** Reads something when the view opens, and again each `everyMs` while it is in sight. */
export function useLoaded<T>(read: (signal: AbortSignal) => Promise<T>, inputs: readonly unknown[], everyMs = 0): Loaded<T> {
  const [value, setValue] = useState<T | null>(null);
  const [problem, setProblem] = useState<unknown>(null);
  const [turn, setTurn] = useState(0);
  const reading = useRef(read);
  reading.current = read;
  useEffect(() => {
    setValue(null);
    setProblem(null);
  }, inputs);
  useEffect(() => {
    const stop = new AbortController();
    let timer = 0;
    async function once(): Promise<void> {
      if (!document.hidden || turn === 0) {
        try {
          const found = await reading.current(stop.signal);
          if (stop.signal.aborted) return;
          setValue(found);
          setProblem(null);
        } catch (cause) {
          if (stop.signal.aborted) return;
          setProblem(cause);
        }
      }
      if (everyMs) timer = window.setTimeout(() => void once(), everyMs);
    }
    void once();
    return () => {
      stop.abort();
      clearTimeout(timer);
    };
  }, [...inputs, turn, everyMs]);
  const failed = useRef(false);
  failed.current = problem !== null;
  useEffect(() => onReachable((reachable) => {
    if (reachable && failed.current) setTurn((at) => at + 1);
  }), []);
  return { value, problem, reload: useCallback(() => setTurn((at) => at + 1), []) };
}

export interface Action<A extends unknown[]> {
  run: (...given: A) => void;
  busy: boolean;
  problem: unknown;
  clear: () => void;
}

/** Something a button starts: busy while it lasts, and its problem if it has one. */
export function useAction<A extends unknown[]>(act: (...given: A) => Promise<void>): Action<A> {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<unknown>(null);
  const alive = useRef(true);
  useEffect(() => () => void (alive.current = false), []);
  function run(...given: A): void {
    if (busy) return;
    setBusy(true);
    setProblem(null);
    act(...given)
      .catch((cause: unknown) => alive.current && setProblem(cause))
      .finally(() => alive.current && setBusy(false));
  }
  return { run, busy, problem, clear: () => setProblem(null) };
}

export function useReachable(): boolean {
  const [reachable, setReachable] = useState(true);
  useEffect(() => onReachable(setReachable), []);
  return reachable;
}

/** A value that follows another one after a pause. */
export function useSettled<T>(value: T, afterMs: number): T {
  const [settled, setSettled] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(value), afterMs);
    return () => clearTimeout(timer);
  }, [value, afterMs]);
  return settled;
}

/** Something kept in this browser, such as the chosen theme; never data of the server. */
export function useKept<T extends string>(name: string, initial: T): [T, (value: T) => void] {
  const [value, setValue] = useState<T>(() => {
    try {
      return (localStorage.getItem(name) as T | null) ?? initial;
    } catch {
      return initial;
    }
  });
  return [
    value,
    (next) => {
      setValue(next);
      try {
        localStorage.setItem(name, next);
      } catch {
        // It is for this visit only, then.
      }
    },
  ];
}

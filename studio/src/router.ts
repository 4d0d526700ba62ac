/** Addresses behind the hash, so that the server needs to know one page only. */
import { useEffect, useState } from "preact/hooks";

export interface Route {
  view: string;
  id: string | null;
  query: URLSearchParams;
}

export function routeOf(hash: string): Route {
  const [path = "", query = ""] = hash.replace(/^#\/?/, "").split("?");
  const [view, id] = path.split("/");
  return { view: view || "create", id: id ? decodeURIComponent(id) : null, query: new URLSearchParams(query) };
}

export function go(address: string): void {
  location.hash = address;
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => routeOf(location.hash));
  useEffect(() => {
    const change = () => setRoute(routeOf(location.hash));
    addEventListener("hashchange", change);
    return () => removeEventListener("hashchange", change);
  }, []);
  return route;
}

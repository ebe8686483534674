/** Where in the page one is: the address's hash, so that links, back, forward and reload work. Knows no view. */

import { createStore, type Store } from "./store";

export type Route =
  | { readonly page: "new" }
  | { readonly page: "history" }
  | { readonly page: "job"; readonly id: string }
  | { readonly page: "unknown" };

const JOB = /^#\/jobs\/([0-9]{13}-[0-9a-f]{16})$/;

/** What a hash such as `#/jobs/<id>` names; no hash at all is the beginning. */
export function routeOf(hash: string): Route {
  if (hash === "" || hash === "#" || hash === "#/") return { page: "new" };
  if (hash === "#/history") return { page: "history" };
  const id = JOB.exec(hash)?.[1];
  return id === undefined ? { page: "unknown" } : { page: "job", id };
}

/** The hash of a route, for links; that of an unknown one leads to the beginning. */
export function hashOf(route: Route): string {
  if (route.page === "job") return `#/jobs/${route.id}`;
  return route.page === "history" ? "#/history" : "#/";
}

/** Follows the address. */
export function watchRoute(): Store<Route> {
  const store = createStore(routeOf(location.hash));
  addEventListener("hashchange", () => store.set(routeOf(location.hash)));
  return store;
}

/** Goes somewhere, as a link would. */
export function go(route: Route): void {
  location.hash = hashOf(route);
}

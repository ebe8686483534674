import { expect, test } from "vitest";

import { hashOf, routeOf, type Route } from "../../src/route";

const JOB = "8214074400000-0123456789abcdef";

test.each<Route>([{ page: "new" }, { page: "history" }, { page: "job", id: JOB }])(
  "a link to %o leads there",
  (route) => {
    expect(routeOf(hashOf(route))).toEqual(route);
  },
);

test.each(["", "#", "#/"])("%o is the beginning", (hash) => {
  expect(routeOf(hash)).toEqual({ page: "new" });
});

test.each(["#/jobs/", `#/jobs/${JOB}x`, "#/jobs/../../limits", "#/History", "#main"])("%s is nowhere", (hash) => {
  expect(routeOf(hash)).toEqual({ page: "unknown" });
});

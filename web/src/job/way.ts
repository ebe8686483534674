/** The way of a job that has not ended, on the screen: steps, bar, elapsed time. Knows no API. */

import { element } from "../element";
import { icon } from "../shell/icons";
import type { Schemas } from "../types";
import { hintOf, stepsOf, type Step } from "./steps";
import { spanOf } from "./words";

const SECOND = 1000;

export interface Way {
  readonly root: HTMLElement;
  set(job: Schemas["Job"]): void;
  destroy(): void;
}

/** The steps. Who does not see them is told by whoever follows the job. */
export function wayView(): Way {
  const list = element("ol", { class: "job-steps" });
  const bar = element("progress", { max: 100, attributes: { "aria-label": "Progress" } });
  const elapsed = element("p", { class: "job-elapsed" });
  let job: Schemas["Job"] | null = null;
  let shown = "";

  function show(): void {
    if (job === null) return;
    const until = job.ended_at === null ? Date.now() : Date.parse(job.ended_at);
    const since = until - Date.parse(job.created_at);
    const percent = job.status === "running" || job.ended_at !== null ? job.percent : null;
    if (percent === null) bar.removeAttribute("value");
    else bar.value = percent;
    elapsed.textContent = [
      percent === null ? null : `${Math.round(percent)} %`,
      `${spanOf(since)}${job.ended_at === null ? " so far" : ""}`,
      hintOf(job, since),
    ]
      .filter((part) => part !== null)
      .join(" · ");
    const steps = stepsOf(job, since);
    const text = JSON.stringify(steps);
    if (text === shown) return;
    shown = text;
    list.replaceChildren(...steps.map(stepView));
  }
  const timer = setInterval(show, SECOND);
  return {
    root: element(
      "section",
      { class: "card job-way", attributes: { "aria-label": "Progress" } },
      list,
      element("div", { class: "job-measure" }, bar, elapsed),
    ),
    set(next) {
      job = next;
      show();
      if (next.ended_at !== null) clearInterval(timer);
    },
    destroy: () => clearInterval(timer),
  };
}

function stepView({ text, state }: Step): HTMLElement {
  const dot = element("span", { class: "job-dot" }, state === "done" && icon("check"));
  const said = { done: "Done: ", now: "Now: ", later: "Later: " }[state];
  return element(
    "li",
    { class: `job-step ${state}`, attributes: { "aria-current": state === "now" ? "step" : undefined } },
    dot,
    element("p", {}, element("span", { class: "unseen" }, said), text),
  );
}

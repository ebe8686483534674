/** The button that makes it 3D: why it cannot yet, how far the upload is, what went wrong. Knows no HTTP. */

import { countText, sizeText } from "../amounts";
import { element } from "../element";
import { announce } from "../shell/announce";
import { icon } from "../shell/icons";
import type { Store } from "../store";
import type { Schemas, View } from "../types";
import type { Canvas, Drafting } from "./drafting";
import type { Submission, Submitting } from "./submission";

interface Given {
  readonly drafting: Drafting;
  readonly submission: Submission;
  readonly limits: Store<Schemas["Limits"] | null>;
  readonly canvas: Canvas;
  /** What is wrong with the options; null where nothing is. */
  readonly wrong: Store<string | null>;
}

/** The foot of the page: one button, and what there is to say about it. */
export function goView({ drafting, submission, limits, canvas, wrong }: Given): View {
  const { photo, boxes } = canvas;
  const button = element("button", { type: "button", class: "button primary new-button", onclick: start });
  const cancel = element("button", { type: "button", class: "button", onclick: () => submission.cancel() }, "Cancel");
  const bar = element("progress", { max: 100, attributes: { "aria-label": "Upload" } });
  const line = element("p", { class: "new-line", id: "new-line" });
  const fault = element("p", { class: "notice bad new-fault", hidden: true, attributes: { role: "alert" } });
  const root = element(
    "div",
    { class: "new-go" },
    fault,
    line,
    bar,
    element("div", { class: "new-buttons" }, cancel, button),
  );
  button.setAttribute("aria-describedby", line.id);

  function start(): void {
    if (button.getAttribute("aria-disabled") === "true") {
      announce(line.textContent);
      return;
    }
    void submission.start({ photo, boxes: boxes.list.get(), options: drafting.options.get() });
  }
  function show(state: Submitting): void {
    const drawn = boxes.list.get().length;
    const isOnItsWay = state.kind === "asking" || state.kind === "uploading";
    const isStopped = state.kind === "stopped";
    bar.hidden = !isOnItsWay;
    cancel.hidden = !isOnItsWay && !isStopped;
    button.replaceChildren(icon(isStopped ? "retry" : "cube"), isStopped ? "Try again" : "Make 3D");
    button.hidden = isOnItsWay;
    button.setAttribute("aria-disabled", String(drawn === 0 || wrong.get() !== null));
    fault.hidden = !isStopped;
    if (isStopped) fault.textContent = `${state.problem.message} Your photo and boxes are kept.`;
    line.hidden = isStopped;
    line.textContent = lineOf(state, drawn, wrong.get(), limits.get());
    if (state.kind === "uploading") bar.value = percentOf(state);
    else bar.removeAttribute("value");
  }
  let kind: Submitting["kind"] = "idle";
  const forget = [
    submission.state.subscribe((state) => {
      show(state);
      if (state.kind === kind) return;
      kind = state.kind;
      // The button that had the focus has gone.
      if (kind === "uploading") announce("The photo is being uploaded.");
      if (kind === "asking") cancel.focus();
      if (kind === "stopped" || kind === "idle") button.focus();
    }),
    boxes.list.subscribe(() => show(submission.state.get())),
    limits.subscribe(() => show(submission.state.get())),
    wrong.subscribe(() => show(submission.state.get())),
  ];
  return {
    root,
    destroy() {
      for (const each of forget) each();
    },
  };
}

/** How much of an upload is done, in whole percent. */
export function percentOf({ sent, total }: { readonly sent: number; readonly total: number }): number {
  return Math.floor((100 * sent) / Math.max(1, total));
}

function lineOf(state: Submitting, drawn: number, wrong: string | null, limits: Schemas["Limits"] | null): string {
  if (state.kind === "asking") return "Asking for a place…";
  if (state.kind === "uploading") {
    if (state.total > 0 && state.sent >= state.total) return "Uploaded; waiting for the answer…";
    return `Uploading the photo: ${sizeText(state.sent)} of ${sizeText(state.total)}`;
  }
  if (drawn === 0) return "Draw a box on the photo first.";
  if (wrong !== null) return wrong;
  if (limits !== null && limits.open_jobs.used >= limits.open_jobs.most) {
    return `You have ${countText(limits.open_jobs.used, "job", "jobs")} under way, as many as one may have: wait for one, or cancel one in History.`;
  }
  if (limits !== null && limits.jobs_a_day.used >= limits.jobs_a_day.most) {
    return `You have made ${countText(limits.jobs_a_day.used, "job", "jobs")} in 24 hours, as many as one may: come again tomorrow.`;
  }
  return drawn === 1 ? "One mesh will be made." : `${drawn} meshes will be made.`;
}

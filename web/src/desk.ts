/** What somebody who is signed in works at: pages by the address, and what outlasts them. Knows no way to sign in. */

import { createJobsApi } from "./api/jobs";
import { Problem, problemOf } from "./api/problem";
import { MOST_BOXES } from "./boxes/boxes";
import { keepDraft, keptDraft } from "./draft/keep";
import { element } from "./element";
import { historyView } from "./history/view";
import { jobView } from "./job/view";
import { TYPES } from "./new/asked";
import { createDrafting } from "./new/drafting";
import { reopen } from "./new/reopen";
import { createSubmission } from "./new/submission";
import { newView } from "./new/view";
import { go, hashOf, type Route } from "./route";
import type { Session } from "./session/session";
import { confirmed } from "./shell/dialog";
import { showDone, showProblem } from "./shell/notices";
import type { Shell } from "./shell/shell";
import { focusHeading, setTitle } from "./shell/title";
import { createStore, type Store } from "./store";
import type { Draft, Schemas, View } from "./types";
import { upload } from "./upload/upload";

export interface Desk {
  /** Asks, where something was begun that will be gone once one has signed out. */
  mayBeLeft(): Promise<boolean>;
  /**
   * Ends it.
   *
   * @param isForGood Whether the owner has signed out: then the draft goes too, as others may use this browser.
   */
  close(isForGood: boolean): void;
}

/**
 * Shows the pages, as the route says, once the owner's draft is there.
 *
 * @param given.owner Whose drafts are kept apart from anybody else's.
 * @param given.makesSplats Whether the engine does.
 * @param given.isFirst Whether nothing was shown before, from where the focus has to come along.
 */
export function openDesk(
  shell: Shell,
  session: Session,
  route: Store<Route>,
  given: { readonly owner: string; readonly makesSplats: boolean; readonly isFirst: boolean },
): Desk {
  const { owner, makesSplats } = given;
  const api = createJobsApi((refused) => session.token(refused));
  const limits = createStore<Schemas["Limits"] | null>(null);
  const drafting = createDrafting(
    { keep, kept: () => keptDraft(owner) },
    // Until the service has said how many it takes.
    () => limits.get()?.max_boxes ?? MOST_BOXES,
  );
  const submission = createSubmission({ api, upload, done: sent });
  let isClosed = false;
  let isKept = true;
  let forget = (): void => undefined;

  async function keep(draft: Draft): Promise<void> {
    const wasKept = isKept;
    isKept = (await keepDraft(owner, draft)) || draft.photo === null;
    if (wasKept && !isKept) {
      const message = "This browser has no room for your photo: if the page is closed or reloaded, choose it again.";
      showProblem(new Problem("draft_not_kept", message));
    }
  }
  function sent(id: string): void {
    const isWatched = route.get().page === "new" && !isClosed;
    if (isWatched) {
      // Once the job is shown: else one would see a page without a photo for a moment.
      addEventListener("hashchange", () => drafting.clear(), { once: true });
      go({ page: "job", id });
    } else {
      showDone("The photo was uploaded. The job stands in History.");
      drafting.clear();
    }
  }
  async function askLimits(): Promise<void> {
    // Without them one can work as well: the service says what it does not take.
    limits.set(await api.limits().catch(() => limits.get()));
  }
  async function change(job: Schemas["Job"]): Promise<void> {
    if (isSending()) {
      throw new Problem("upload_under_way", "Another photo is being uploaded: wait for it, or cancel it under New.");
    }
    const begun = drafting.canvas.get()?.boxes.list.get().length ?? 0;
    const isSure =
      begun === 0 ||
      (await confirmed({
        title: "Put aside what you have begun?",
        text: "There is a photo with boxes that you have not made yet. This job’s take their place.",
        yes: "Take this job’s",
        no: "Keep mine",
      }));
    if (!isSure) return;
    const { max_image_bytes: maxBytes = Infinity, image_types: types = TYPES } = limits.get() ?? {};
    const at = route.get();
    const { photo, boxes, options } = await reopen(job, { maxBytes, types });
    if (isClosed || route.get() !== at) {
      // They have gone elsewhere meanwhile.
      URL.revokeObjectURL(photo.url);
      return;
    }
    drafting.begin(photo, boxes, options);
    go({ page: "new" });
  }
  function isSending(): boolean {
    return ["asking", "uploading"].includes(submission.state.get().kind);
  }
  function pageOf(at: Route): View {
    if (at.page === "new") {
      void askLimits();
      return newView({ drafting, submission, limits, makesSplats });
    }
    if (at.page === "history") return historyView(api);
    if (at.page === "unknown") return nothingHere();
    const goTo = (id: string | null): void => go(id === null ? { page: "history" } : { page: "job", id });
    return jobView({ id: at.id, api, goTo, change });
  }
  async function open(): Promise<void> {
    try {
      await drafting.restore();
    } catch (thrown) {
      showProblem(problemOf(thrown));
    }
    if (isClosed) return;
    let { isFirst } = given;
    forget = route.subscribe((at) => {
      shell.show(pageOf(at));
      if (!isFirst) focusHeading(shell.root);
      isFirst = false;
    });
  }
  const ask = (event: BeforeUnloadEvent): void => {
    if (isSending()) event.preventDefault();
  };
  addEventListener("beforeunload", ask);
  void open();
  return {
    async mayBeLeft() {
      if (drafting.canvas.get() === null) return true;
      return await confirmed({
        title: "Sign out?",
        text: "The photo and the boxes that you have begun with will be gone.",
        yes: "Sign out",
        no: "Stay",
      });
    },
    close(isForGood) {
      isClosed = true;
      forget();
      submission.cancel();
      if (isForGood) drafting.clear();
      drafting.stop();
      removeEventListener("beforeunload", ask);
    },
  };
}

function nothingHere(): View {
  setTitle("Nothing here");
  const root = element(
    "div",
    { class: "job" },
    element("h1", {}, "There is nothing here"),
    element("p", {}, "The address may be cut off."),
    element("p", {}, element("a", { class: "button", href: hashOf({ page: "new" }) }, "To the beginning")),
  );
  return { root, destroy: () => undefined };
}

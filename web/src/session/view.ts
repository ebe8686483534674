/** The card at which people sign in, choose a password, or get a forgotten one changed. Knows no tokens. */

import { problemOf } from "../api/problem";
import { element } from "../element";
import { announce } from "../shell/announce";
import type { View } from "../types";
import { codeField, emailField, newPasswordField, passwordField } from "./fields";
import type { Field } from "./fields";
import type { Session, SessionState } from "./session";
import "./session.css";

/** What is asked for at a time. */
interface Step {
  readonly title: string;
  readonly text: string | null;
  readonly fields: readonly Field[];
  readonly button: string;
  readonly submit: () => Promise<void>;
  readonly links: readonly (readonly [string, () => void])[];
  readonly foot: string | null;
}

interface Notice {
  readonly text: string;
  readonly isBad: boolean;
}

/** Problems that are a field's fault, by code: which one gets the focus. */
const FAULTS: Readonly<Record<string, Field["kind"]>> = {
  wrong_password: "password",
  weak_password: "new-password",
  password_used: "new-password",
  wrong_code: "code",
  code_over: "code",
};

export function signInView(session: Session): View {
  // What is typed as the address stays when the step changes; its field is each step's own, as password managers want it.
  let email = emailField("", false);
  const card = element("section", { class: "card session-card", attributes: { "aria-labelledby": "session-title" } });
  const root = element("div", { class: "session" }, card);

  function show(step: Step, notice: Notice | null = null): void {
    const problem = element("p", { class: "notice bad session-problem", id: "session-problem", tabIndex: -1 });
    problem.hidden = true;
    const button = element("button", { class: "button primary", type: "submit", textContent: step.button });
    let isBusy = false;

    function fail(message: string, field: Field | undefined): void {
      problem.textContent = message;
      problem.hidden = false;
      announce(message);
      field?.blame(problem.id);
      (field?.input ?? problem).focus();
    }

    async function submit(): Promise<void> {
      if (isBusy) return;
      problem.hidden = true;
      for (const field of step.fields) field.blame(null);
      for (const field of step.fields) {
        const lacks = field.lacks();
        if (lacks !== null) {
          fail(lacks, field);
          return;
        }
      }
      isBusy = true;
      card.setAttribute("aria-busy", "true");
      button.setAttribute("aria-disabled", "true");
      try {
        await step.submit();
      } catch (thrown) {
        const { code, message } = problemOf(thrown);
        const field = step.fields.find(({ kind }) => kind === FAULTS[code]);
        if (code === "password_reset_required") show(forgot(), good(message));
        else if (root.contains(problem)) fail(message, field);
        else show(signIn(), bad(message));
      } finally {
        isBusy = false;
        card.removeAttribute("aria-busy");
        button.removeAttribute("aria-disabled");
      }
    }

    card.replaceChildren(
      element("h1", { id: "session-title", textContent: step.title, tabIndex: -1 }),
      ...(step.text === null ? [] : [element("p", { class: "session-text", textContent: step.text })]),
      ...(notice === null
        ? []
        : [element("p", { class: notice.isBad ? "notice bad" : "notice", textContent: notice.text })]),
      element(
        "form",
        {
          class: "session-form",
          noValidate: true,
          onsubmit(event) {
            event.preventDefault();
            void submit();
          },
        },
        ...step.fields.map((field) => field.root),
        problem,
        button,
      ),
      ...(step.links.length === 0
        ? []
        : [
            element(
              "div",
              { class: "session-links" },
              ...step.links.map(([textContent, onclick]) =>
                element("button", { class: "button quiet session-link", type: "button", textContent, onclick }),
              ),
            ),
          ]),
      ...(step.foot === null ? [] : [element("p", { class: "hint session-foot", textContent: step.foot })]),
    );
    if (notice) announce(notice.text);
    const open = step.fields.filter(({ input }) => !input.readOnly);
    const first = open.find(({ input }) => input.value === "") ?? open[0];
    // Once whoever asked for this view has put it into the page.
    queueMicrotask(() => first?.input.focus());
  }

  function signIn(): Step {
    email = emailField(email.input.value, false);
    const password = passwordField();
    return {
      title: "Sign in",
      text: "Gen3D makes 3D models of the things in your photos.",
      fields: [email, password],
      button: "Sign in",
      submit: () => session.signIn(email.input.value.trim(), password.input.value),
      links: [["Forgot your password?", () => show(forgot())]],
      foot: "No account yet? Ask whoever runs this Gen3D for one.",
    };
  }

  function forgot(): Step {
    email = emailField(email.input.value, false);
    return {
      title: "Forgot your password?",
      text: "A code is sent to your e-mail address. With it you choose another password.",
      fields: [email],
      button: "Send me a code",
      async submit() {
        const where = await session.forgot(email.input.value.trim());
        show(reset(), good(`If there is an account, a code is on its way to ${where ?? "your e-mail address"}.`));
      },
      links: [["Back", () => show(signIn())]],
      foot: null,
    };
  }

  function reset(): Step {
    email = emailField(email.input.value, true);
    const code = codeField("The code of the mail");
    const password = newPasswordField();
    return {
      title: "Choose a password",
      text: null,
      fields: [email, code, password],
      button: "Change it and sign in",
      async submit() {
        const address = email.input.value.trim();
        await session.changeForgotten(address, code.input.value.trim(), password.input.value);
        try {
          await session.signIn(address, password.input.value);
        } catch (thrown) {
          show(signIn(), bad(`Your password is changed. ${problemOf(thrown).message}`));
        }
      },
      links: [
        ["Send another code", () => show(forgot())],
        ["Back", () => show(signIn())],
      ],
      foot: null,
    };
  }

  function challenge(state: SessionState & { kind: "challenge" }): Step {
    email = emailField(state.email, true);
    const ways = { links: [["Back", () => session.leave()]], foot: null } as const;
    if (state.challenge === "totp") {
      const code = codeField("Code of your authenticator app");
      const submit = () => session.answer(code.input.value.replaceAll(/\s/g, ""));
      return { title: "One more step", text: null, fields: [code], button: "Sign in", submit, ...ways };
    }
    const password = newPasswordField();
    return {
      title: "Choose a password",
      text: "This is your first time here: from now on you sign in with a password of your own.",
      // With the address, so that a password manager knows whose password it is.
      fields: [email, password],
      button: "Keep it and sign in",
      submit: () => session.answer(password.input.value),
      ...ways,
    };
  }

  const unsubscribe = session.state.subscribe((state) => {
    if (state.kind === "challenge") show(challenge(state));
    else if (state.kind === "out") show(signIn(), noticeOf(state.why));
  });

  return { root, destroy: unsubscribe };
}

function noticeOf(why: null | "expired" | "signed-out"): Notice | null {
  if (why === "expired") return good("Your session has ended. Your work is kept: sign in to go on.");
  return why === null ? null : good("You are signed out.");
}

function good(text: string): Notice {
  return { text, isBad: false };
}

function bad(text: string): Notice {
  return { text, isBad: true };
}

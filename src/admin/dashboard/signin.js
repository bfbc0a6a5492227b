// Asks for a token, and says what is wrong with it.

import { Problem, read } from "./api.js";
import { h, show } from "./dom.js";
import { signedIn, signOut, tryToken } from "./session.js";

/** Shows the form; `then` runs once a token is good. */
export function askForToken(main, why, then) {
  document.title = "Sign in – Tidegate";
  show(main, form(why));
  const element = main.querySelector("form");
  const input = main.querySelector("#token");
  element.addEventListener("submit", async (event) => {
    event.preventDefault();
    const error = main.querySelector("#token-error");
    const button = main.querySelector("button");
    error.textContent = "";
    if (!input.value.trim()) {
      error.textContent = "Enter a token.";
      input.focus();
      return;
    }
    button.disabled = true;
    tryToken(input.value.trim());
    try {
      const { answer } = await read("v1/me");
      if (answer.role === "member") throw new Error("This token only registers members: it cannot look.");
      signedIn(answer);
      then();
    } catch (problem) {
      signOut();
      error.textContent = problem instanceof Problem && problem.status === 401
        ? `That token is not accepted: ${problem.message}.`
        : `Cannot sign in: ${problem.message}.`.replace("..", ".");
      input.setAttribute("aria-invalid", "true");
      input.focus();
    } finally {
      button.disabled = false;
    }
  });
  input.focus();
}

function form(why) {
  return h("section", { class: "signin", "data-key": "signin" },
    h("form", { novalidate: true },
      h("h1", { tabindex: "-1" }, "Sign in to Tidegate"),
      why ? h("p", { class: "note warn" }, why) : null,
      h("label", { for: "token" }, "Token"),
      h("input", {
        id: "token", type: "password", autocomplete: "off", spellcheck: "false", autocapitalize: "off",
        placeholder: "tg_…", "aria-describedby": "token-error token-help",
      }),
      h("p", { id: "token-error", class: "error", role: "alert" }),
      h("button", { type: "submit", class: "primary" }, "Sign in"),
      h("p", { id: "token-help", class: "help" },
        "The first token is in the file ", h("code", {}, "admin-token"), " of the server's state folder; ",
        h("code", {}, "tidegate token create"), " makes more. It is kept until this browser session ends."),
    ));
}

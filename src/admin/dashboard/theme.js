// Light or dark: as the system says, or as the user chose on this browser.

const KEY = "tidegate-theme";
const ORDER = ["auto", "light", "dark"];

let theme = ORDER.includes(localStorage.getItem(KEY)) ? localStorage.getItem(KEY) : "auto";
apply();

function apply() {
  document.documentElement.dataset.theme = theme;
}

/** The choice in force: `auto`, `light` or `dark`. */
export const currentTheme = () => theme;

/** Goes on to the next choice. */
export function nextTheme() {
  theme = ORDER[(ORDER.indexOf(theme) + 1) % ORDER.length];
  localStorage.setItem(KEY, theme);
  apply();
  return theme;
}

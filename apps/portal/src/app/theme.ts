/** Light, dark, or as the system is; kept in this browser. */
import { useEffect, useState, useSyncExternalStore } from 'react';

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

const KEY = 'drover.theme';
const systemIsDark = window.matchMedia('(prefers-color-scheme: dark)');

function storedTheme(): Theme {
  const stored = localStorage.getItem(KEY);
  return THEMES.find((theme) => theme === stored) ?? 'system';
}

/** Puts the theme on the page; called before anything is drawn, and again when it changes. */
export function applyTheme(): void {
  const theme = storedTheme();
  const isDark = theme === 'dark' || (theme === 'system' && systemIsDark.matches);
  document.documentElement.classList.toggle('pf-v6-theme-dark', isDark);
  document.documentElement.style.colorScheme = isDark ? 'dark' : 'light';
}
systemIsDark.addEventListener('change', applyTheme);

export function useTheme(): [Theme, (theme: Theme) => void] {
  const [theme, setTheme] = useState(storedTheme);
  useEffect(() => {
    localStorage.setItem(KEY, theme);
    applyTheme();
  }, [theme]);
  return [theme, setTheme];
}

function subscribe(listener: () => void): () => void {
  const observer = new MutationObserver(listener);
  observer.observe(document.documentElement, { attributeFilter: ['class'] });
  return () => observer.disconnect();
}

/** What is drawn on a canvas must be drawn again when this changes. */
export const useIsDark = () =>
  useSyncExternalStore(subscribe, () => document.documentElement.classList.contains('pf-v6-theme-dark'));

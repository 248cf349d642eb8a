/** Elements that move between places glide there, so that the eye can follow them. */
import { type RefObject, useLayoutEffect, useRef } from 'react';

const calm = window.matchMedia('(prefers-reduced-motion: reduce)');

/** Elements below `container` (their offset parent) with `data-glide` are known again by its value. */
export function useGlide(container: RefObject<HTMLElement | null>): void {
  const places = useRef(new Map<string, { left: number; top: number }>());
  useLayoutEffect(() => {
    const now = new Map<string, { left: number; top: number }>();
    for (const element of container.current?.querySelectorAll<HTMLElement>('[data-glide]') ?? []) {
      const { offsetLeft: left, offsetTop: top } = element;
      const id = element.dataset.glide!;
      const before = places.current.get(id);
      now.set(id, { left, top });
      if (!before || calm.matches || (before.left === left && before.top === top)) continue;
      const from = `translate(${before.left - left}px, ${before.top - top}px)`;
      element.animate([{ transform: from }, { transform: 'none' }], {
        duration: 700,
        easing: 'cubic-bezier(.3, .8, .3, 1)',
      });
    }
    places.current = now;
  });
}

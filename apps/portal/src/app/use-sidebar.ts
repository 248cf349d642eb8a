/** The navigation: beside the page where there is room, else over it, and gone once a place is chosen. */
import { useState } from 'react';

export function useSidebar() {
  const [isNarrow, setNarrow] = useState<boolean>();
  const [isOpen, setOpen] = useState(true);
  return {
    isOpen,
    toggle: () => setOpen(!isOpen),
    placeChosen: () => setOpen(isOpen && !isNarrow),
    /** PatternFly's page tells its width when it is first shown and whenever it changes. */
    resized: (isNowNarrow: boolean) => {
      if (isNowNarrow === isNarrow) return;
      setNarrow(isNowNarrow);
      setOpen(!isNowNarrow);
    },
  };
}

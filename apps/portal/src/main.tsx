import './app/no-eval.js';
import '@patternfly/react-core/dist/styles/base.css';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import { App } from './app/app.js';
import { applyTheme } from './app/theme.js';
// Last: after the styles of PatternFly's components, which come with them.
import './styles/theme.css';
import './styles/layout.css';
import './styles/parts.css';
import './styles/pages.css';

applyTheme();
createRoot(document.getElementById('root')!).render(
  <StrictMode>
    <App />
  </StrictMode>,
);

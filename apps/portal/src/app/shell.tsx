/** Masthead, navigation, the banner of a lost connection, and the page. */
import {
  Button,
  Masthead,
  MastheadBrand,
  MastheadContent,
  MastheadMain,
  MastheadToggle,
  Nav,
  NavItem,
  NavList,
  Page,
  PageSidebar,
  PageSidebarBody,
  PageToggleButton,
  SkipToContent,
  ToggleGroup,
  ToggleGroupItem,
} from '@patternfly/react-core';
import { Link, Outlet, useLocation } from 'react-router';
import { InventoryProvider } from '../live/inventory.js';
import { useSession } from '../live/session.js';
import * as icons from '../parts/icons.js';
import { ToastProvider } from '../parts/toasts.js';
import { type Theme, THEMES, useTheme } from './theme.js';
import { useSidebar } from './use-sidebar.js';

const PLACES = [
  { to: '/', title: 'Dashboard', icon: icons.DashboardIcon },
  { to: '/hosts', title: 'Hosts', icon: icons.HostIcon },
  { to: '/vms', title: 'Virtual machines', icon: icons.VmIcon },
  { to: '/storage', title: 'Storage', icon: icons.StorageIcon },
  { to: '/migrations', title: 'Migrations', icon: icons.MigrationIcon },
  { to: '/maintenance', title: 'Maintenance', icon: icons.MaintenanceIcon },
  { to: '/policies', title: 'Policies', icon: icons.PolicyIcon },
  { to: '/decisions', title: 'Decisions', icon: icons.DecisionIcon },
  { to: '/energy', title: 'Energy', icon: icons.EnergyIcon },
  { to: '/events', title: 'Events', icon: icons.EventIcon },
] as const;

const THEME_LOOK: Record<Theme, { title: string; icon: React.ReactNode }> = {
  system: { title: 'Theme of the system', icon: <icons.AutoThemeIcon /> },
  light: { title: 'Light theme', icon: <icons.LightThemeIcon /> },
  dark: { title: 'Dark theme', icon: <icons.DarkThemeIcon /> },
};

function ThemeSwitch() {
  const [theme, setTheme] = useTheme();
  return (
    <ToggleGroup isCompact aria-label="Theme">
      {THEMES.map((choice) => (
        <ToggleGroupItem
          key={choice}
          icon={THEME_LOOK[choice].icon}
          aria-label={THEME_LOOK[choice].title}
          title={THEME_LOOK[choice].title}
          isSelected={choice === theme}
          onChange={() => setTheme(choice)}
        />
      ))}
    </ToggleGroup>
  );
}

function ConnectionSign() {
  const { connected } = useSession();
  return (
    <span className={`connection ${connected ? 'tone-ok' : 'tone-warn'}`} role="status">
      <span className="connection-dot" aria-hidden />
      {connected ? 'Live' : 'Reconnecting'}
    </span>
  );
}

export function Shell() {
  const { connected, signOut } = useSession();
  const { pathname } = useLocation();
  const sidebar = useSidebar();
  const isAt = (to: string) => (to === '/' ? pathname === '/' : pathname.startsWith(to));
  return (
    <Page
      onPageResize={(_, { mobileView }: { mobileView: boolean }) => sidebar.resized(mobileView)}
      mainContainerId="content"
      isContentFilled
      skipToContent={<SkipToContent href="#content">Skip to content</SkipToContent>}
      masthead={
        <Masthead>
          <MastheadMain>
            <MastheadToggle>
              <PageToggleButton
                variant="plain"
                aria-label="Navigation"
                isSidebarOpen={sidebar.isOpen}
                onSidebarToggle={sidebar.toggle}
              >
                <icons.MenuIcon />
              </PageToggleButton>
            </MastheadToggle>
            <MastheadBrand>
              <Link to="/" className="brand">
                <img src="/drover.svg" alt="" width={24} height={24} />
                Drover
              </Link>
            </MastheadBrand>
          </MastheadMain>
          <MastheadContent>
            <div className="masthead-tools">
              <ConnectionSign />
              <ThemeSwitch />
              <Button
                variant="plain"
                aria-label="Sign out"
                title="Sign out"
                icon={<icons.SignOutIcon />}
                onClick={() => signOut()}
              />
            </div>
          </MastheadContent>
        </Masthead>
      }
      sidebar={
        <PageSidebar isSidebarOpen={sidebar.isOpen}>
          <PageSidebarBody>
            <Nav aria-label="Pages">
              <NavList>
                {PLACES.map(({ to, title, icon: Icon }) => (
                  <NavItem key={to} isActive={isAt(to)} onClick={sidebar.placeChosen}>
                    <Link to={to} aria-current={isAt(to) ? 'page' : undefined}>
                      <Icon /> {title}
                    </Link>
                  </NavItem>
                ))}
              </NavList>
            </Nav>
          </PageSidebarBody>
        </PageSidebar>
      }
    >
      {!connected && (
        <div className="banner" role="status">
          <icons.WarningIcon /> The connection to the controller is lost. What you see may be old; it comes back by
          itself.
        </div>
      )}
      <ToastProvider>
        <InventoryProvider>
          <Outlet />
        </InventoryProvider>
      </ToastProvider>
    </Page>
  );
}

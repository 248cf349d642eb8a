/** What pages say when something loads, is missing or went wrong. */
import {
  Alert,
  AlertActionLink,
  Bullseye,
  EmptyState,
  EmptyStateActions,
  EmptyStateBody,
  EmptyStateFooter,
  Spinner,
} from '@patternfly/react-core';
import type { ComponentType, ReactNode } from 'react';
import { Link } from 'react-router';
import { ApiError, ConnectionError } from '#client';

/** What to do about an error, in one sentence. */
function remedyOf(error: unknown): string {
  if (error instanceof ConnectionError) return 'Check that the controller runs and that this computer reaches it.';
  if (!(error instanceof ApiError)) return 'Load the page again; if it comes back, it is a fault of the portal.';
  if (error.status === 404) return 'It may have been deleted; go back to the list.';
  if (error.status === 409) return 'Its state does not allow this now; look at it again and retry.';
  if (error.status === 429) return 'Wait a moment and retry.';
  if (error.status >= 500) return "Retry; if it comes back, the controller's log says why.";
  return 'Change what is named, and retry.';
}

export const titleOf = (error: unknown) =>
  error instanceof ApiError ? error.title || 'Refused' : error instanceof ConnectionError ? 'No connection' : 'Error';

export function ProblemText({ error }: { error: unknown }) {
  const message = error instanceof Error ? error.message : String(error);
  return (
    <>
      {/[.!?]$/.test(message) ? message : `${message}.`} <span className="subtle">{remedyOf(error)}</span>
    </>
  );
}

export function ProblemAlert({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  return (
    <Alert
      isInline
      variant="danger"
      title={titleOf(error)}
      actionLinks={onRetry && <AlertActionLink onClick={onRetry}>Retry</AlertActionLink>}
    >
      <ProblemText error={error} />
    </Alert>
  );
}

export function LoadingPage() {
  return (
    <Bullseye className="loading">
      <Spinner aria-label="Loading" />
    </Bullseye>
  );
}

interface NothingProps {
  readonly title: string;
  readonly icon?: ComponentType;
  /** What to do about it. */
  readonly children: ReactNode;
  readonly action?: ReactNode;
}

export function Nothing({ title, icon, children, action }: NothingProps) {
  return (
    <EmptyState titleText={title} icon={icon} headingLevel="h3" variant="sm">
      <EmptyStateBody>{children}</EmptyStateBody>
      {action && (
        <EmptyStateFooter>
          <EmptyStateActions>{action}</EmptyStateActions>
        </EmptyStateFooter>
      )}
    </EmptyState>
  );
}

/** What to do where everything belongs to a cluster, and there is none. */
export const ClusterFirst = () => (
  <>
    There is no cluster yet: create one on the page <Link to="/policies">Policies</Link>.
  </>
);

import {
  Alert,
  Button,
  Form,
  FormGroup,
  FormHelperText,
  HelperText,
  HelperTextItem,
  TextInput,
} from '@patternfly/react-core';
import { type SubmitEvent, useState } from 'react';
import { ApiError, DroverClient } from '#client';
import { ProblemAlert } from '../parts/feedback.js';

export function SignInPage({ notice, onSignIn }: { notice?: string; onSignIn: (token: string) => void }) {
  const [token, setToken] = useState('');
  const [error, setError] = useState<unknown>();
  const [isBusy, setBusy] = useState(false);
  const isWrong = error instanceof ApiError && (error.status === 401 || error.status === 403);

  const submit = async (event: SubmitEvent) => {
    event.preventDefault();
    const trimmed = token.trim();
    if (trimmed === '') return;
    setBusy(true);
    setError(undefined);
    try {
      await new DroverClient({ url: '', token: trimmed }).me();
      onSignIn(trimmed);
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };

  return (
    <main className="sign-in">
      <div className="sign-in-box">
        <div className="sign-in-brand">
          <img src="/drover.svg" alt="" width={40} height={40} />
          <div>
            <h1>Drover</h1>
            <p className="subtle">Keeps virtual machines where they should run.</p>
          </div>
        </div>
        {notice && error === undefined && <Alert isInline variant="info" title={notice} />}
        {error !== undefined && !isWrong && <ProblemAlert error={error} />}
        <Form onSubmit={(event) => void submit(event)} noValidate>
          <FormGroup label="Admin token" fieldId="token">
            <TextInput
              id="token"
              type="password"
              value={token}
              onChange={(_, value) => {
                setToken(value);
                setError(undefined);
              }}
              validated={isWrong ? 'error' : 'default'}
              aria-describedby="token-help"
              autoComplete="current-password"
              autoFocus
            />
            <FormHelperText>
              <HelperText id="token-help" isLiveRegion>
                {isWrong ? (
                  <HelperTextItem variant="error">
                    The controller does not know this token. Copy the whole line of the file admin-token again.
                  </HelperTextItem>
                ) : (
                  <HelperTextItem>
                    npm start prints it; it is also in the file <code>.drover/admin-token</code> on the controller's
                    host.
                  </HelperTextItem>
                )}
              </HelperText>
            </FormHelperText>
          </FormGroup>
          <Button type="submit" isBlock isLoading={isBusy} isDisabled={isBusy || token.trim() === ''}>
            Sign in
          </Button>
        </Form>
      </div>
    </main>
  );
}

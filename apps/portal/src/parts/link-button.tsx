/** A button that leads to another page of the portal. */
import { Button, type ButtonProps } from '@patternfly/react-core';
import { Link, type LinkProps } from 'react-router';

const AsLink = ({ href, ...props }: Omit<LinkProps, 'to'> & { href: string }) => <Link {...props} to={href} />;

export const LinkButton = ({ to, children }: Pick<ButtonProps, 'children'> & { to: string }) => (
  <Button component={AsLink} href={to}>
    {children}
  </Button>
);

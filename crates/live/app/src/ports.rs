//! The sockets on the host: bound before anything else starts, so that a taken port is said first.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::Context as _;

use crate::home::Ports;

/// The options that name host ports.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct PortOptions {
    /// How host ports are chosen: `fixed` takes those of the flags, `auto` takes free ones
    #[arg(long, value_enum, default_value = "fixed")]
    ports: Choice,
    /// Port of the API server on 127.0.0.1; 0 picks a free one
    #[arg(long, default_value_t = 6443, value_name = "PORT")]
    api_port: u16,
    /// Port of the gateway for HTTP on 127.0.0.1; 0 picks a free one
    #[arg(long, default_value_t = 8080, value_name = "PORT")]
    gateway_http_port: u16,
    /// Port of the gateway for HTTPS on 127.0.0.1; 0 picks a free one
    #[arg(long, default_value_t = 8443, value_name = "PORT")]
    gateway_https_port: u16,
    /// Port of the console on 127.0.0.1; 0 picks a free one
    #[arg(long, default_value_t = 20001, value_name = "PORT")]
    console_port: u16,
    /// Port of xDS on 127.0.0.1, for proxies outside the mesh; 0 picks a free one
    #[arg(long, default_value_t = 15010, value_name = "PORT")]
    xds_port: u16,
    /// Port of the control plane's metrics and debug pages on 127.0.0.1; 0 picks a free one
    #[arg(long, default_value_t = 15014, value_name = "PORT")]
    monitoring_port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Choice {
    Fixed,
    Auto,
}

/// The listeners on the host.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) api: TcpListener,
    pub(crate) gateway_http: TcpListener,
    pub(crate) gateway_https: TcpListener,
    pub(crate) console: TcpListener,
    pub(crate) xds: TcpListener,
    pub(crate) monitoring: TcpListener,
}

impl Listeners {
    /// Binds all of them, or none.
    ///
    /// With `last`, the ports that this home used before, `auto` takes those again where they are
    /// free: what a person has bookmarked goes on working.
    pub(crate) fn bind(options: &PortOptions, last: Option<Ports>) -> anyhow::Result<Self> {
        let auto = options.ports == Choice::Auto;
        let last = last.unwrap_or_default();
        let bind = |what: &str, flag: &str, port: u16, before: u16| {
            if !auto {
                return listen(port).with_context(|| taken(what, flag, port));
            }
            listen(before).or_else(|_| listen(0)).with_context(|| taken(what, flag, 0))
        };
        Ok(Self {
            api: bind("the API server", "--api-port", options.api_port, last.api)?,
            gateway_http: bind(
                "the gateway",
                "--gateway-http-port",
                options.gateway_http_port,
                last.gateway_http,
            )?,
            gateway_https: bind(
                "the gateway",
                "--gateway-https-port",
                options.gateway_https_port,
                last.gateway_https,
            )?,
            console: bind("the console", "--console-port", options.console_port, last.console)?,
            xds: bind("xDS", "--xds-port", options.xds_port, last.xds)?,
            monitoring: bind(
                "the control plane's pages",
                "--monitoring-port",
                options.monitoring_port,
                last.monitoring,
            )?,
        })
    }

    /// The ports as they came out.
    pub(crate) fn ports(&self) -> anyhow::Result<Ports> {
        let port = |listener: &TcpListener| Ok::<_, std::io::Error>(listener.local_addr()?.port());
        Ok(Ports {
            api: port(&self.api)?,
            gateway_http: port(&self.gateway_http)?,
            gateway_https: port(&self.gateway_https)?,
            console: port(&self.console)?,
            xds: port(&self.xds)?,
            monitoring: port(&self.monitoring)?,
        })
    }
}

fn taken(what: &str, flag: &str, port: u16) -> String {
    format!(
        "{what} cannot listen on 127.0.0.1:{port}; choose another port with {flag} PORT, or let lateen take free ones with --ports auto"
    )
}

fn listen(port: u16) -> std::io::Result<TcpListener> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    // A mesh that was just stopped leaves connections in TIME_WAIT: they must not block the next.
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.listen(1024)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_is_said_with_the_mend() {
        let holder = listen(0).unwrap();
        let port = holder.local_addr().unwrap().port();
        let options = PortOptions {
            ports: Choice::Fixed,
            api_port: 0,
            gateway_http_port: port,
            gateway_https_port: 0,
            console_port: 0,
            xds_port: 0,
            monitoring_port: 0,
        };
        let said = format!("{:#}", Listeners::bind(&options, None).unwrap_err());
        assert!(said.contains(&format!("127.0.0.1:{port}")), "{said}");
        assert!(said.contains("--gateway-http-port") && said.contains("--ports auto"), "{said}");
    }
}

//! Where and how a socket is bound or dialled: addresses, socket options, resolvers.

messages! {
    SocketOption = "envoy.config.core.v3.SocketOption" {
        description: String = [string, tag = 1],
        level: i64 = [int64, tag = 2],
        name: i64 = [int64, tag = 3],
        value: Option<socket_option::Value> = [oneof = "socket_option::Value", tags(4, 5)],
        state: i32 = [enumeration(socket_option::SocketState), tag = 6],
        r#type: Option<socket_option::SocketType> = [message, optional, tag = 7],
        ip_version: i32 = [enumeration(socket_option::SocketIpVersion), tag = 8],
    }
    SocketOptionsOverride = "envoy.config.core.v3.SocketOptionsOverride" {
        socket_options: Vec<SocketOption> = [message, repeated, tag = 1],
    }
    Pipe = "envoy.config.core.v3.Pipe" {
        path: String = [string, tag = 1],
        mode: u32 = [uint32, tag = 2],
    }
    EnvoyInternalAddress = "envoy.config.core.v3.EnvoyInternalAddress" {
        address_name_specifier: Option<envoy_internal_address::AddressNameSpecifier> =
            [oneof = "envoy_internal_address::AddressNameSpecifier", tags(1)],
        endpoint_id: String = [string, tag = 2],
    }
    SocketAddress = "envoy.config.core.v3.SocketAddress" {
        protocol: i32 = [enumeration(socket_address::Protocol), tag = 1],
        address: String = [string, tag = 2],
        port_specifier: Option<socket_address::PortSpecifier> =
            [oneof = "socket_address::PortSpecifier", tags(3, 4)],
        resolver_name: String = [string, tag = 5],
        ipv4_compat: bool = [bool, tag = 6],
        network_namespace_filepath: String = [string, tag = 7],
    }
    TcpKeepalive = "envoy.config.core.v3.TcpKeepalive" {
        keepalive_probes: Option<u32> = [message, optional, tag = 1],
        keepalive_time: Option<u32> = [message, optional, tag = 2],
        keepalive_interval: Option<u32> = [message, optional, tag = 3],
    }
    ExtraSourceAddress = "envoy.config.core.v3.ExtraSourceAddress" {
        address: Option<SocketAddress> = [message, optional, tag = 1],
        socket_options: Option<SocketOptionsOverride> = [message, optional, tag = 2],
    }
    BindConfig = "envoy.config.core.v3.BindConfig" {
        source_address: Option<SocketAddress> = [message, optional, tag = 1],
        freebind: Option<bool> = [message, optional, tag = 2],
        socket_options: Vec<SocketOption> = [message, repeated, tag = 3],
        extra_source_addresses: Vec<ExtraSourceAddress> = [message, repeated, tag = 5],
        additional_source_addresses: Vec<SocketAddress> = [message, repeated, tag = 4],
        local_address_selector: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 6],
        validate_network_namespaces: bool = [bool, tag = 7],
    }
    Address = "envoy.config.core.v3.Address" {
        address: Option<address::Address> = [oneof = "address::Address", tags(1, 2, 3)],
    }
    CidrRange = "envoy.config.core.v3.CidrRange" {
        address_prefix: String = [string, tag = 1],
        prefix_len: Option<u32> = [message, optional, tag = 2],
    }
    ProxyProtocolPassThroughTlVs = "envoy.config.core.v3.ProxyProtocolPassThroughTLVs" {
        match_type: i32 = [enumeration(proxy_protocol_pass_through_tl_vs::PassTlVsMatchType), tag = 1],
        tlv_type: Vec<u32> = [uint32, repeated, packed = "false", tag = 2],
    }
    TlvEntry = "envoy.config.core.v3.TlvEntry" {
        r#type: u32 = [uint32, tag = 1],
        value: Vec<u8> = [bytes = "vec", tag = 2],
        format_string: Option<crate::core::SubstitutionFormatString> = [message, optional, tag = 3],
    }
    ProxyProtocolConfig = "envoy.config.core.v3.ProxyProtocolConfig" {
        version: i32 = [enumeration(proxy_protocol_config::Version), tag = 1],
        pass_through_tlvs: Option<ProxyProtocolPassThroughTlVs> = [message, optional, tag = 2],
        added_tlvs: Vec<TlvEntry> = [message, repeated, tag = 3],
    }
    PerHostConfig = "envoy.config.core.v3.PerHostConfig" {
        added_tlvs: Vec<TlvEntry> = [message, repeated, tag = 1],
    }
    DnsResolverOptions = "envoy.config.core.v3.DnsResolverOptions" {
        use_tcp_for_dns_lookups: bool = [bool, tag = 1],
        no_default_search_domain: bool = [bool, tag = 2],
    }
    DnsResolutionConfig = "envoy.config.core.v3.DnsResolutionConfig" {
        resolvers: Vec<Address> = [message, repeated, tag = 1],
        dns_resolver_options: Option<DnsResolverOptions> = [message, optional, tag = 2],
    }
    UdpSocketConfig = "envoy.config.core.v3.UdpSocketConfig" {
        max_rx_datagram_size: Option<u64> = [message, optional, tag = 1],
        prefer_gro: Option<bool> = [message, optional, tag = 2],
    }
}

/// Types inside [`SocketOption`](super::SocketOption).
pub mod socket_option {
    messages! {
        SocketType = "envoy.config.core.v3.SocketOption.SocketType" {
            stream: Option<socket_type::Stream> = [message, optional, tag = 1],
            datagram: Option<socket_type::Datagram> = [message, optional, tag = 2],
        }
    }

    enums! {
        SocketState = "envoy.config.core.v3.SocketOption.SocketState" {
            StatePrebind = 0, "STATE_PREBIND";
            StateBound = 1, "STATE_BOUND";
            StateListening = 2, "STATE_LISTENING";
        }
        SocketIpVersion = "envoy.config.core.v3.SocketOption.SocketIpVersion" {
            Unspecified = 0, "SOCKET_IP_VERSION_UNSPECIFIED";
            Ipv4 = 1, "SOCKET_IP_VERSION_IPV4";
            Ipv6 = 2, "SOCKET_IP_VERSION_IPV6";
        }
    }

    oneofs! {
        Value = "envoy.config.core.v3.SocketOption.value" {
            int_value => IntValue(i64) = [int64, tag = 4],
            buf_value => BufValue(Vec<u8>) = [bytes = "vec", tag = 5],
        }
    }

    /// Types inside [`SocketType`](super::SocketType).
    pub mod socket_type {
        messages! {
            Stream = "envoy.config.core.v3.SocketOption.SocketType.Stream" {}
            Datagram = "envoy.config.core.v3.SocketOption.SocketType.Datagram" {}
        }
    }
}

/// Types inside [`EnvoyInternalAddress`](super::EnvoyInternalAddress).
pub mod envoy_internal_address {
    oneofs! {
        AddressNameSpecifier = "envoy.config.core.v3.EnvoyInternalAddress.address_name_specifier" {
            server_listener_name => ServerListenerName(String) = [string, tag = 1],
        }
    }
}

/// Types inside [`SocketAddress`](super::SocketAddress).
pub mod socket_address {
    enums! {
        Protocol = "envoy.config.core.v3.SocketAddress.Protocol" {
            Tcp = 0, "TCP";
            Udp = 1, "UDP";
        }
    }

    oneofs! {
        PortSpecifier = "envoy.config.core.v3.SocketAddress.port_specifier" {
            port_value => PortValue(u32) = [uint32, tag = 3],
            named_port => NamedPort(String) = [string, tag = 4],
        }
    }
}

/// Types inside [`Address`](super::Address).
pub mod address {
    oneofs! {
        Address = "envoy.config.core.v3.Address.address" {
            socket_address => SocketAddress(super::SocketAddress) = [message, tag = 1],
            pipe => Pipe(super::Pipe) = [message, tag = 2],
            envoy_internal_address => EnvoyInternalAddress(super::EnvoyInternalAddress) = [message, tag = 3],
        }
    }
}

/// Types inside [`ProxyProtocolPassThroughTlVs`](super::ProxyProtocolPassThroughTlVs).
pub mod proxy_protocol_pass_through_tl_vs {
    enums! {
        PassTlVsMatchType = "envoy.config.core.v3.ProxyProtocolPassThroughTLVs.PassTLVsMatchType" {
            IncludeAll = 0, "INCLUDE_ALL";
            Include = 1, "INCLUDE";
        }
    }
}

/// Types inside [`ProxyProtocolConfig`](super::ProxyProtocolConfig).
pub mod proxy_protocol_config {
    enums! {
        Version = "envoy.config.core.v3.ProxyProtocolConfig.Version" {
            V1 = 0, "V1";
            V2 = 1, "V2";
        }
    }
}

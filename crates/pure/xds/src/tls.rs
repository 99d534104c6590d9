//! `envoy.extensions.transport_sockets`: TLS contexts, secrets and the other transport sockets.

use std::collections::BTreeMap;

messages! {
    TlsParameters = "envoy.extensions.transport_sockets.tls.v3.TlsParameters" {
        tls_minimum_protocol_version: i32 = [enumeration(tls_parameters::TlsProtocol), tag = 1],
        tls_maximum_protocol_version: i32 = [enumeration(tls_parameters::TlsProtocol), tag = 2],
        cipher_suites: Vec<String> = [string, repeated, tag = 3],
        ecdh_curves: Vec<String> = [string, repeated, tag = 4],
        signature_algorithms: Vec<String> = [string, repeated, tag = 5],
        compliance_policies: Vec<i32> =
            [enumeration(tls_parameters::CompliancePolicy), repeated, packed = "false", tag = 6],
    }
    PrivateKeyProvider = "envoy.extensions.transport_sockets.tls.v3.PrivateKeyProvider" {
        provider_name: String = [string, tag = 1],
        config_type: Option<private_key_provider::ConfigType> =
            [oneof = "private_key_provider::ConfigType", tags(3)],
        fallback: bool = [bool, tag = 4],
    }
    TlsCertificate = "envoy.extensions.transport_sockets.tls.v3.TlsCertificate" {
        certificate_chain: Option<crate::core::DataSource> = [message, optional, tag = 1],
        private_key: Option<crate::core::DataSource> = [message, optional, tag = 2],
        pkcs12: Option<crate::core::DataSource> = [message, optional, tag = 8],
        watched_directory: Option<crate::core::WatchedDirectory> = [message, optional, tag = 7],
        private_key_provider: Option<PrivateKeyProvider> = [message, optional, tag = 6],
        password: Option<crate::core::DataSource> = [message, optional, tag = 3],
        ocsp_staple: Option<crate::core::DataSource> = [message, optional, tag = 4],
        signed_certificate_timestamp: Vec<crate::core::DataSource> = [message, repeated, tag = 5],
        tls_params: Option<TlsParameters> = [message, optional, tag = 9],
    }
    TlsSessionTicketKeys = "envoy.extensions.transport_sockets.tls.v3.TlsSessionTicketKeys" {
        keys: Vec<crate::core::DataSource> = [message, repeated, tag = 1],
    }
    CertificateProviderPluginInstance = "envoy.extensions.transport_sockets.tls.v3.CertificateProviderPluginInstance" {
        instance_name: String = [string, tag = 1],
        certificate_name: String = [string, tag = 2],
    }
    SubjectAltNameMatcher = "envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher" {
        san_type: i32 = [enumeration(subject_alt_name_matcher::SanType), tag = 1],
        matcher: Option<crate::kind::StringMatcher> = [message, optional, tag = 2],
        oid: String = [string, tag = 3],
    }
    CertificateValidationContext = "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext" {
        trusted_ca: Option<crate::core::DataSource> = [message, optional, tag = 1],
        ca_certificate_provider_instance: Option<CertificateProviderPluginInstance> =
            [message, optional, tag = 13],
        system_root_certs: Option<certificate_validation_context::SystemRootCerts> =
            [message, optional, tag = 17],
        watched_directory: Option<crate::core::WatchedDirectory> = [message, optional, tag = 11],
        verify_certificate_spki: Vec<String> = [string, repeated, tag = 3],
        verify_certificate_hash: Vec<String> = [string, repeated, tag = 2],
        match_typed_subject_alt_names: Vec<SubjectAltNameMatcher> = [message, repeated, tag = 15],
        match_subject_alt_names: Vec<crate::kind::StringMatcher> = [message, repeated, tag = 9],
        require_signed_certificate_timestamp: Option<bool> = [message, optional, tag = 6],
        crl: Option<crate::core::DataSource> = [message, optional, tag = 7],
        allow_expired_certificate: bool = [bool, tag = 8],
        trust_chain_verification: i32 =
            [enumeration(certificate_validation_context::TrustChainVerification), tag = 10],
        custom_validator_config: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 12],
        only_verify_leaf_cert_crl: bool = [bool, tag = 14],
        max_verify_depth: Option<u32> = [message, optional, tag = 16],
        suppress_client_ca_list: bool = [bool, tag = 18],
    }
    GenericSecret = "envoy.extensions.transport_sockets.tls.v3.GenericSecret" {
        secret: Option<crate::core::DataSource> = [message, optional, tag = 1],
        secrets: BTreeMap<String, crate::core::DataSource> = [btree_map = "string, message", tag = 2],
    }
    SdsSecretConfig = "envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig" {
        name: String = [string, tag = 1],
        sds_config: Option<crate::core::ConfigSource> = [message, optional, tag = 2],
    }
    Secret = "envoy.extensions.transport_sockets.tls.v3.Secret" {
        name: String = [string, tag = 1],
        r#type: Option<secret::Type> = [oneof = "secret::Type", tags(2, 3, 4, 5)],
    }
    UpstreamTlsContext = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext" {
        common_tls_context: Option<CommonTlsContext> = [message, optional, tag = 1],
        sni: String = [string, tag = 2],
        auto_host_sni: bool = [bool, tag = 6],
        auto_sni_san_validation: bool = [bool, tag = 7],
        allow_renegotiation: bool = [bool, tag = 3],
        max_session_keys: Option<u32> = [message, optional, tag = 4],
        enforce_rsa_key_usage: Option<bool> = [message, optional, tag = 5],
    }
    DownstreamTlsContext = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext" {
        common_tls_context: Option<CommonTlsContext> = [message, optional, tag = 1],
        require_client_certificate: Option<bool> = [message, optional, tag = 2],
        require_sni: Option<bool> = [message, optional, tag = 3],
        session_ticket_keys_type: Option<downstream_tls_context::SessionTicketKeysType> =
            [oneof = "downstream_tls_context::SessionTicketKeysType", tags(4, 5, 7)],
        disable_stateful_session_resumption: bool = [bool, tag = 10],
        session_timeout: Option<crate::wkt::Duration> = [message, optional, tag = 6],
        ocsp_staple_policy: i32 = [enumeration(downstream_tls_context::OcspStaplePolicy), tag = 8],
        full_scan_certs_on_sni_mismatch: Option<bool> = [message, optional, tag = 9],
        prefer_client_ciphers: bool = [bool, tag = 11],
    }
    TlsKeyLog = "envoy.extensions.transport_sockets.tls.v3.TlsKeyLog" {
        path: String = [string, tag = 1],
        local_address_range: Vec<crate::core::CidrRange> = [message, repeated, tag = 2],
        remote_address_range: Vec<crate::core::CidrRange> = [message, repeated, tag = 3],
    }
    CommonTlsContext = "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext" {
        tls_params: Option<TlsParameters> = [message, optional, tag = 1],
        tls_certificates: Vec<TlsCertificate> = [message, repeated, tag = 2],
        tls_certificate_sds_secret_configs: Vec<SdsSecretConfig> = [message, repeated, tag = 6],
        tls_certificate_provider_instance: Option<CertificateProviderPluginInstance> =
            [message, optional, tag = 14],
        custom_tls_certificate_selector: Option<crate::core::TypedExtensionConfig> =
            [message, optional, tag = 16],
        tls_certificate_certificate_provider: Option<common_tls_context::CertificateProvider> =
            [message, optional, tag = 9],
        tls_certificate_certificate_provider_instance: Option<common_tls_context::CertificateProviderInstance> =
            [message, optional, tag = 11],
        validation_context_type: Option<common_tls_context::ValidationContextType> =
            [oneof = "common_tls_context::ValidationContextType", tags(3, 7, 8, 10, 12)],
        alpn_protocols: Vec<String> = [string, repeated, tag = 4],
        custom_handshaker: Option<crate::core::TypedExtensionConfig> = [message, optional, tag = 13],
        key_log: Option<TlsKeyLog> = [message, optional, tag = 15],
    }
    InternalUpstreamTransport = "envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport" {
        passthrough_metadata: Vec<internal_upstream_transport::MetadataValueSource> =
            [message, repeated, tag = 1],
        transport_socket: Option<crate::core::TransportSocket> = [message, optional, tag = 3],
    }
    ProxyProtocolUpstreamTransport = "envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport" {
        config: Option<crate::core::ProxyProtocolConfig> = [message, optional, tag = 1],
        transport_socket: Option<crate::core::TransportSocket> = [message, optional, tag = 2],
        allow_unspecified_address: bool = [bool, tag = 3],
        tlv_as_pool_key: bool = [bool, tag = 4],
    }
    RawBuffer = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer" {}
    Config = "envoy.extensions.transport_sockets.tcp_stats.v3.Config" {
        transport_socket: Option<crate::core::TransportSocket> = [message, optional, tag = 1],
        update_period: Option<crate::wkt::Duration> = [message, optional, tag = 2],
    }
    SpiffeCertValidatorConfig = "envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig" {
        trust_domains: Vec<spiffe_cert_validator_config::TrustDomain> = [message, repeated, tag = 1],
        trust_bundles: Option<crate::core::DataSource> = [message, optional, tag = 2],
    }
}

/// Types inside [`TlsParameters`](super::TlsParameters).
pub mod tls_parameters {
    enums! {
        TlsProtocol = "envoy.extensions.transport_sockets.tls.v3.TlsParameters.TlsProtocol" {
            TlsAuto = 0, "TLS_AUTO";
            TlSv10 = 1, "TLSv1_0";
            TlSv11 = 2, "TLSv1_1";
            TlSv12 = 3, "TLSv1_2";
            TlSv13 = 4, "TLSv1_3";
        }
        CompliancePolicy = "envoy.extensions.transport_sockets.tls.v3.TlsParameters.CompliancePolicy" {
            Fips202205 = 0, "FIPS_202205";
            Cnsa2202603 = 1, "CNSA2_202603";
            Cnsa1202603 = 2, "CNSA1_202603";
        }
    }
}

/// Types inside [`PrivateKeyProvider`](super::PrivateKeyProvider).
pub mod private_key_provider {
    oneofs! {
        ConfigType = "envoy.extensions.transport_sockets.tls.v3.PrivateKeyProvider.config_type" {
            typed_config => TypedConfig(crate::wkt::Any) = [message, tag = 3],
        }
    }
}

/// Types inside [`SubjectAltNameMatcher`](super::SubjectAltNameMatcher).
pub mod subject_alt_name_matcher {
    enums! {
        SanType = "envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher.SanType" {
            Unspecified = 0, "SAN_TYPE_UNSPECIFIED";
            Email = 1, "EMAIL";
            Dns = 2, "DNS";
            Uri = 3, "URI";
            IpAddress = 4, "IP_ADDRESS";
            OtherName = 5, "OTHER_NAME";
        }
    }
}

/// Types inside [`CertificateValidationContext`](super::CertificateValidationContext).
pub mod certificate_validation_context {
    messages! {
        SystemRootCerts = "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.SystemRootCerts" {}
    }

    enums! {
        TrustChainVerification = "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.TrustChainVerification" {
            VerifyTrustChain = 0, "VERIFY_TRUST_CHAIN";
            AcceptUntrusted = 1, "ACCEPT_UNTRUSTED";
        }
    }
}

/// Types inside [`Secret`](super::Secret).
pub mod secret {
    oneofs! {
        Type = "envoy.extensions.transport_sockets.tls.v3.Secret.type" {
            tls_certificate => TlsCertificate(super::TlsCertificate) = [message, tag = 2],
            session_ticket_keys => SessionTicketKeys(super::TlsSessionTicketKeys) = [message, tag = 3],
            validation_context => ValidationContext(super::CertificateValidationContext) = [message, tag = 4],
            generic_secret => GenericSecret(super::GenericSecret) = [message, tag = 5],
        }
    }
}

/// Types inside [`DownstreamTlsContext`](super::DownstreamTlsContext).
pub mod downstream_tls_context {
    enums! {
        OcspStaplePolicy = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext.OcspStaplePolicy" {
            LenientStapling = 0, "LENIENT_STAPLING";
            StrictStapling = 1, "STRICT_STAPLING";
            MustStaple = 2, "MUST_STAPLE";
        }
    }

    oneofs! {
        SessionTicketKeysType = "envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext.session_ticket_keys_type" {
            session_ticket_keys => SessionTicketKeys(super::TlsSessionTicketKeys) = [message, tag = 4],
            session_ticket_keys_sds_secret_config => SessionTicketKeysSdsSecretConfig(super::SdsSecretConfig) =
                [message, tag = 5],
            disable_stateless_session_resumption => DisableStatelessSessionResumption(bool) = [bool, tag = 7],
        }
    }
}

/// Types inside [`CommonTlsContext`](super::CommonTlsContext).
pub mod common_tls_context {
    messages! {
        CertificateProvider = "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CertificateProvider" {
            name: String = [string, tag = 1],
            config: Option<certificate_provider::Config> = [oneof = "certificate_provider::Config", tags(2)],
        }
        CertificateProviderInstance = "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CertificateProviderInstance" {
            instance_name: String = [string, tag = 1],
            certificate_name: String = [string, tag = 2],
        }
        CombinedCertificateValidationContext = "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext" {
            default_validation_context: Option<super::CertificateValidationContext> =
                [message, optional, tag = 1],
            validation_context_sds_secret_config: Option<super::SdsSecretConfig> =
                [message, optional, tag = 2],
            validation_context_certificate_provider: Option<CertificateProvider> =
                [message, optional, tag = 3],
            validation_context_certificate_provider_instance: Option<CertificateProviderInstance> =
                [message, optional, tag = 4],
        }
    }

    oneofs! {
        ValidationContextType = "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.validation_context_type" {
            validation_context => ValidationContext(super::CertificateValidationContext) = [message, tag = 3],
            validation_context_sds_secret_config => ValidationContextSdsSecretConfig(super::SdsSecretConfig) =
                [message, tag = 7],
            combined_validation_context => CombinedValidationContext(CombinedCertificateValidationContext) =
                [message, tag = 8],
            validation_context_certificate_provider => ValidationContextCertificateProvider(CertificateProvider) =
                [message, tag = 10],
            validation_context_certificate_provider_instance => ValidationContextCertificateProviderInstance(CertificateProviderInstance) =
                [message, tag = 12],
        }
    }

    /// Types inside [`CertificateProvider`](super::CertificateProvider).
    pub mod certificate_provider {
        oneofs! {
            Config = "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CertificateProvider.config" {
                typed_config => TypedConfig(crate::core::TypedExtensionConfig) = [message, tag = 2],
            }
        }
    }
}

/// Types inside [`InternalUpstreamTransport`](super::InternalUpstreamTransport).
pub mod internal_upstream_transport {
    messages! {
        MetadataValueSource = "envoy.extensions.transport_sockets.internal_upstream.v3.InternalUpstreamTransport.MetadataValueSource" {
            kind: Option<crate::kind::MetadataKind> = [message, optional, tag = 1],
            name: String = [string, tag = 2],
        }
    }
}

/// Types inside [`SpiffeCertValidatorConfig`](super::SpiffeCertValidatorConfig).
pub mod spiffe_cert_validator_config {
    messages! {
        TrustDomain = "envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig.TrustDomain" {
            name: String = [string, tag = 1],
            trust_bundle: Option<crate::core::DataSource> = [message, optional, tag = 2],
            workload_trust_domain: String = [string, tag = 3],
        }
    }
}

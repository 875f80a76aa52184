"""Columns of FOCUS 1.2 and the values that they may have.

Source: the FOCUS specification 1.2, https://focus.finops.org/focus-specification/v1-2/, by its requirements model
1.2.0.1 (FinOps-Open-Cost-and-Usage-Spec/FOCUS_Spec), which numbers each rule. Currencies are those of ISO 4217.
"""

from __future__ import annotations

__all__ = [
    "ALLOWED",
    "CURRENCIES",
    "FOCUS_COLUMNS",
    "KEY_VALUES",
    "MANDATORY",
    "NEVER_NULL",
    "NUMBERS",
    "SUBCATEGORIES",
    "TIMES",
    "TOGETHER",
    "UNITS",
]

MANDATORY = (
    *("BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd"),
    *("BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargePeriodEnd"),
    *("ChargePeriodStart", "ContractedCost", "EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingQuantity"),
    *("PricingUnit", "ProviderName", "PublisherName", "ServiceCategory", "ServiceName"),
)
"""Of every file."""
TOGETHER = {
    "capacity reservations": ("CapacityReservationId", "CapacityReservationStatus"),
    "commitment discounts": (
        *("CommitmentDiscountCategory", "CommitmentDiscountId", "CommitmentDiscountName"),
        *("CommitmentDiscountQuantity", "CommitmentDiscountStatus", "CommitmentDiscountType"),
        "CommitmentDiscountUnit",
    ),
    "price lists": ("ListUnitPrice", "SkuId", "SkuMeter", "SkuPriceDetails", "SkuPriceId"),
    "regions": ("RegionId", "RegionName"),
    "resources": ("ResourceId", "ResourceName"),
    "sub accounts": ("SubAccountId", "SubAccountName"),
    "usage": ("ConsumedQuantity", "ConsumedUnit"),
}
"""Columns that a file has all of, or none, by what its provider has them for."""
FOCUS_COLUMNS = frozenset(
    {
        *MANDATORY,
        *(name for names in TOGETHER.values() for name in names),
        *("AvailabilityZone", "BillingAccountType", "ChargeFrequency", "ContractedUnitPrice", "InvoiceId"),
        *("PricingCategory", "PricingCurrency", "PricingCurrencyContractedUnitPrice", "PricingCurrencyEffectiveCost"),
        *("PricingCurrencyListUnitPrice", "ResourceType", "ServiceSubcategory", "SubAccountType", "Tags"),
    }
)
NEVER_NULL = (
    *("BilledCost", "BillingAccountId", "BillingCurrency", "BillingPeriodEnd", "BillingPeriodStart"),
    *("ChargeCategory", "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "ContractedCost"),
    *("EffectiveCost", "InvoiceIssuerName", "ListCost", "PricingCurrency", "PricingCurrencyEffectiveCost"),
    *("ProviderName", "PublisherName", "ServiceCategory", "ServiceName", "ServiceSubcategory"),
)
"""Columns that, where they are there, have a value in every row."""
NUMBERS = (
    *("BilledCost", "CommitmentDiscountQuantity", "ConsumedQuantity", "ContractedCost", "ContractedUnitPrice"),
    *("EffectiveCost", "ListCost", "ListUnitPrice", "PricingCurrencyContractedUnitPrice"),
    *("PricingCurrencyEffectiveCost", "PricingCurrencyListUnitPrice", "PricingQuantity"),
)
TIMES = ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd")
KEY_VALUES = ("SkuPriceDetails", "Tags")
UNITS = ("CommitmentDiscountUnit", "ConsumedUnit", "PricingUnit")

SUBCATEGORIES = {
    "AI and Machine Learning": (
        *("AI Platforms", "Bots", "Generative AI", "Machine Learning", "Natural Language Processing"),
        "Other (AI and Machine Learning)",
    ),
    "Analytics": (
        *("Analytics Platforms", "Business Intelligence", "Data Processing", "Search", "Streaming Analytics"),
        "Other (Analytics)",
    ),
    "Business Applications": ("Productivity and Collaboration", "Other (Business Applications)"),
    "Compute": (
        *("Containers", "End User Computing", "Quantum Compute", "Serverless Compute", "Virtual Machines"),
        "Other (Compute)",
    ),
    "Databases": (
        *("Caching", "Data Warehouses", "Ledger Databases", "NoSQL Databases", "Relational Databases"),
        *("Time Series Databases", "Other (Databases)"),
    ),
    "Developer Tools": (
        *("Developer Platforms", "Continuous Integration and Deployment", "Development Environments"),
        *("Source Code Management", "Quality Assurance", "Other (Developer Tools)"),
    ),
    "Identity": ("Identity and Access Management", "Other (Identity)"),
    "Integration": ("API Management", "Messaging", "Workflow Orchestration", "Other (Integration)"),
    "Internet of Things": ("IoT Analytics", "IoT Platforms", "Other (Internet of Things)"),
    "Management and Governance": (
        *("Architecture", "Compliance", "Cost Management", "Data Governance", "Disaster Recovery"),
        *("Endpoint Management", "Observability", "Support", "Other (Management and Governance)"),
    ),
    "Media": ("Content Creation", "Gaming", "Media Streaming", "Mixed Reality", "Other (Media)"),
    "Migration": ("Data Migration", "Resource Migration", "Other (Migration)"),
    "Mobile": ("Other (Mobile)",),
    "Multicloud": ("Multicloud Integration", "Other (Multicloud)"),
    "Networking": (
        *("Application Networking", "Content Delivery", "Network Connectivity", "Network Infrastructure"),
        *("Network Routing", "Network Security", "Other (Networking)"),
    ),
    "Other": ("Other (Other)",),
    "Security": (
        *("Secret Management", "Security Posture Management", "Threat Detection and Response"),
        "Other (Security)",
    ),
    "Storage": (
        *("Backup Storage", "Block Storage", "File Storage", "Object Storage", "Storage Platforms"),
        "Other (Storage)",
    ),
    "Web": ("Application Platforms", "Other (Web)"),
}
ALLOWED = {
    "CapacityReservationStatus": ("Used", "Unused"),
    "ChargeCategory": ("Usage", "Purchase", "Tax", "Credit", "Adjustment"),
    "ChargeClass": ("Correction",),
    "ChargeFrequency": ("One-Time", "Recurring", "Usage-Based"),
    "CommitmentDiscountCategory": ("Spend", "Usage"),
    "CommitmentDiscountStatus": ("Used", "Unused"),
    "PricingCategory": ("Standard", "Dynamic", "Committed", "Other"),
    "ServiceCategory": tuple(SUBCATEGORIES),
    "ServiceSubcategory": tuple(name for names in SUBCATEGORIES.values() for name in names),
}
"""Values of columns that may have no others."""
_CURRENCIES = """
AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE
CHF CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ
GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD
MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG
QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD
TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAF XAG XAU XBA XBB XBC XBD XCD XCG XDR XOF XPD XPF XPT XSU
XTS XUA XXX YER ZAR ZMW ZWG ZWL
"""
CURRENCIES = frozenset(_CURRENCIES.split())

namespace PeftCore.Cli.Options;

/// <summary>Base of the settings of every verb.</summary>
internal abstract record VerbOptions
{
    /// <summary>The settings that the user gave; all others have their defaults.</summary>
    public GivenSettings Given { get; } = new();

    /// <summary>The settings about quantisation, for verbs that load a base.</summary>
    public QuantizationSettings Quantization { get; init; } = new();
}

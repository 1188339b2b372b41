namespace PeftCore.Cli.Options;

/// <summary>What the options of every verb have.</summary>
internal abstract record VerbOptions
{
    /// <summary>The settings somebody wrote; what was not written has its default.</summary>
    public GivenSettings Given { get; } = new();
}

using System.CommandLine;

namespace PeftCore.Cli.Options;

/// <summary>The option --pooling.</summary>
internal static class PoolingOption
{
    public const string Help = "how the hidden states of a text become its embedding";

    public const string Fallback = "as the adapter says; else mean, in decoders last";

    public static readonly string[] Choices = ["mean", "cls", "last"];

    /// <summary>The option of verbs without a settings record.</summary>
    public static Option<string?> New() => new Option<string?>("--pooling")
    {
        Description = $"{Help} [default: {Fallback}]",
        HelpName = string.Join('|', Choices),
    }.AcceptOnlyFromAmong(Choices);
}

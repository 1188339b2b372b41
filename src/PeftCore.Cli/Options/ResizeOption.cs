using System.CommandLine;

namespace PeftCore.Cli.Options;

/// <summary>--resize-token-embeddings for verbs without a settings record.</summary>
internal static class ResizeOption
{
    public static Option<int?> New() => NumberOption.WholeOrNone("--resize-token-embeddings", SequenceOptions.ResizeHelp, min: 1);
}

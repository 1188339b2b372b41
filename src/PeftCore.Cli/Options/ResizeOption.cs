using System.CommandLine;

namespace PeftCore.Cli.Options;

/// <summary>--resize-token-embeddings of the verbs that declare their options one by one.</summary>
internal static class ResizeOption
{
    public static Option<int?> New() => NumberOption.WholeOrNone("--resize-token-embeddings", SequenceOptions.ResizeHelp, min: 1);
}

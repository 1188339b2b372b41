using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Tests.Ops;

/// <summary>Every op with a gradient. An op that is missing here fails a test; all tests run on every entry.</summary>
internal static class OpCatalog
{
    public static IReadOnlyList<OpEntry> Entries { get; } =
        [.. LinearEntries.All(), .. NormEntries.All(), .. ElementwiseEntries.All(), .. ElementwiseEntries.Formulas(), .. ShapeEntries.All(),
            .. AttentionEntries.All(), .. RelativePositionEntries.All(), .. PositionEntries.All(), .. LossEntries.All(),
            .. StructuredEntries.All(), .. ExpertEntries.All(), .. LinearAttentionEntries.All(), .. VisionEntries.All(),
            .. ConvolutionEntries.All(),
            .. LossEntries.Recomputed(), .. FunctionEntries.All()];

    /// <summary>Every entry in every size that applies to it.</summary>
    public static IEnumerable<TestCaseData> Cases =>
        from entry in Entries
        from size in entry.Sizes
        select new TestCaseData(entry, size).SetArgDisplayNames(entry.Name, $"{size}");

    public static IEnumerable<TestCaseData> CasesOf(Size size) =>
        from entry in Entries
        where entry.Sizes.Contains(size)
        select new TestCaseData(entry).SetArgDisplayNames(entry.Name);

    /// <summary>Token ids, positions or targets (count) on the device of a tensor.</summary>
    public static Tensor Ids(Tensor like, int[] ids, int count) => like.Backend.From(ids, [count]);
}

namespace PeftCore.Tests.Ops;

/// <summary>Every op with a gradient. An op that is not here fails a test; one that is gets all of them.</summary>
internal static partial class OpCatalog
{
    public static IReadOnlyList<OpEntry> Entries { get; } =
        [.. Linear(), .. Norms(), .. Elementwise(), .. Formulas(), .. Shapes(), .. Attention(), .. Positions(), .. Losses(),
            .. Structured(), .. Recomputed(), .. Functions()];

    /// <summary>Every entry in every size that means something for it.</summary>
    public static IEnumerable<TestCaseData> Cases =>
        from entry in Entries
        from size in entry.Sizes
        select new TestCaseData(entry, size).SetArgDisplayNames(entry.Name, $"{size}");

    public static IEnumerable<TestCaseData> CasesOf(Size size) =>
        from entry in Entries
        where entry.Sizes.Contains(size)
        select new TestCaseData(entry).SetArgDisplayNames(entry.Name);
}

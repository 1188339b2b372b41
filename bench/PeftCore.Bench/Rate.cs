using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace PeftCore.Bench;

/// <summary>A column with a rate per second.</summary>
/// <param name="name">The heading, with its unit.</param>
/// <param name="legend">The counted quantity, and the peer that has no row.</param>
/// <param name="perNanosecond">The amount of one operation, in units such that its quotient by nanoseconds is the column's value.</param>
internal class Rate(string name, string legend, Func<BenchmarkCase, double> perNanosecond) : IColumn
{
    public string Id => name;

    public string ColumnName => name;

    public bool AlwaysShow => true;

    public ColumnCategory Category => ColumnCategory.Custom;

    public int PriorityInCategory => 0;

    public bool IsNumeric => true;

    public UnitType UnitType => UnitType.Dimensionless;

    public string Legend => $"{legend} / mean time";

    public bool IsAvailable(Summary summary) => true;

    public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase) => GetValue(summary, benchmarkCase, summary.Style);

    public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) =>
        summary[benchmarkCase]?.ResultStatistics?.Mean is { } nanoseconds
            ? (perNanosecond(benchmarkCase) / nanoseconds).ToString("N1", CultureInfo.InvariantCulture)
            : "-";
}

/// <summary>Floating-point operations over the mean time.</summary>
internal sealed class Gflops(string formula, Func<BenchmarkCase, double> operations) : Rate("GFLOP/s", formula, operations);

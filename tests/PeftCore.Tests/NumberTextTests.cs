using System.Globalization;

namespace PeftCore.Tests;

public sealed class NumberTextTests
{
    // Created by hand, because a machine without ICU has no named cultures: English, German, Swedish, French signs.
    private static readonly CultureInfo[] Cultures = [Culture(".", ",", "-"), Culture(",", ".", "-"), Culture(",", "\u00A0", "\u2212"),
        Culture(",", "\u202F", "-")];

    [TestCase("0.0001", 1e-4)]
    [TestCase("1e-4", 1e-4)]
    [TestCase("1.5E+3", 1500)]
    [TestCase(".5", 0.5)]
    [TestCase("5.", 5)]
    [TestCase("+1", 1)]
    [TestCase("-2.5", -2.5)]
    [TestCase("0", 0)]
    [TestCase("-0.0e9", 0)]
    [TestCase("010", 10)]
    [TestCase("1.7976931348623157e308", double.MaxValue)]
    [TestCase("5e-324", double.Epsilon)]
    public void Numbers_with_a_decimal_point_are_read_alike_in_every_culture(string text, double value)
    {
        InEveryCulture(() =>
        {
            Assert.That(NumberText.TryFloat(text, out double read), Is.True);
            Assert.That(read, Is.EqualTo(value));
        });
    }

    [TestCase("0,0001")]
    [TestCase("1,5e-4")]
    [TestCase("4,8")]
    [TestCase("1,000")]
    [TestCase("1.000,5")]
    [TestCase("1_000")]
    [TestCase("1'000")]
    [TestCase("1 000")]
    [TestCase(" 1")]
    [TestCase("1 ")]
    [TestCase("1\n")]
    [TestCase("")]
    [TestCase(".")]
    [TestCase("-")]
    [TestCase("e5")]
    [TestCase("1e")]
    [TestCase("1e+")]
    [TestCase("1e1.5")]
    [TestCase("1.2.3")]
    [TestCase("--1")]
    [TestCase("+-1")]
    [TestCase("1-")]
    [TestCase("(1)")]
    [TestCase("$1")]
    [TestCase("1%")]
    [TestCase("0x10")]
    [TestCase("0b1")]
    [TestCase("0o7")]
    [TestCase("1f")]
    [TestCase("nan")]
    [TestCase("NaN")]
    [TestCase("inf")]
    [TestCase("Infinity")]
    [TestCase(".inf")]
    [TestCase("∞")]
    [TestCase("1e400")]
    [TestCase("-1e400")]
    [TestCase("1e-400")]
    [TestCase("1e99999999999")]
    [TestCase("１２")]
    [TestCase("٣")]
    [TestCase("−1")]
    [TestCase("1:30")]
    public void Anything_else_is_no_number_in_any_culture(string text)
    {
        InEveryCulture(() =>
        {
            Assert.That(NumberText.TryFloat(text, out _), Is.False);
            Assert.That(NumberText.TryWhole(text, out long _), Is.False);
            Assert.That(NumberText.TryDigits(text, out int _), Is.False);
        });
    }

    [Test]
    public void Integers_are_exact_over_the_whole_range_of_their_type()
    {
        Assert.That(Whole<ulong>("9007199254740993"), Is.EqualTo(9007199254740993UL));
        Assert.That(Whole<ulong>("18446744073709551615"), Is.EqualTo(ulong.MaxValue));
        Assert.That(Whole<ulong>("18446744073709551616"), Is.Null);
        Assert.That(Whole<ulong>("-1"), Is.Null);
        Assert.That(Whole<int>("2147483647"), Is.EqualTo(int.MaxValue));
        Assert.That(Whole<int>("2147483648"), Is.Null);
        Assert.That(Whole<int>("-2147483648"), Is.EqualTo(int.MinValue));
        Assert.That(Whole<int>("16.0"), Is.EqualTo(16));
        Assert.That(Whole<int>("1e3"), Is.EqualTo(1000));
        Assert.That(Whole<int>("1.5e1"), Is.EqualTo(15));
        Assert.That(Whole<int>("1500e-2"), Is.EqualTo(15));
        Assert.That(Whole<int>("0.0e5"), Is.EqualTo(0));
        Assert.That(Whole<int>("1.5"), Is.Null);
        Assert.That(Whole<int>("10e-2"), Is.Null);
        Assert.That(Whole<int>("1e-1"), Is.Null);
        Assert.That(Whole<int>("1e99999999"), Is.Null);
    }

    [Test]
    public void Every_double_reads_back_from_its_shortest_form()
    {
        var random = new Random(5);
        for (int i = 0; i < 10_000; i++)
        {
            double value = BitConverter.Int64BitsToDouble(random.NextInt64(long.MinValue, long.MaxValue));
            if (double.IsFinite(value))
            {
                Assert.That(NumberText.TryFloat(value.ToString("R", CultureInfo.InvariantCulture), out double read) && read.Equals(value),
                    Is.True);
            }
        }
    }

    [Test]
    public void A_decimal_comma_is_told_from_a_list()
    {
        Assert.That(NumberText.HasDecimalComma("0,0001"), Is.True);
        Assert.That(NumberText.HasDecimalComma("1,2,3"), Is.False);
        Assert.That(NumberText.HasDecimalComma("1.5"), Is.False);
    }

    private static T? Whole<T>(string text)
        where T : struct, System.Numerics.IBinaryInteger<T>, System.Numerics.IMinMaxValue<T> =>
        NumberText.TryWhole(text, out T value) ? value : null;

    private static CultureInfo Culture(string point, string group, string minus)
    {
        var culture = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        (culture.NumberFormat.NumberDecimalSeparator, culture.NumberFormat.NumberGroupSeparator, culture.NumberFormat.NegativeSign) =
            (point, group, minus);
        return culture;
    }

    private static void InEveryCulture(Action check)
    {
        var before = CultureInfo.CurrentCulture;
        try
        {
            foreach (var culture in Cultures)
            {
                CultureInfo.CurrentCulture = culture;
                check();
            }
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }
}

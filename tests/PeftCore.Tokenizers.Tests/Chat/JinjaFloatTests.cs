using System.Globalization;

namespace PeftCore.Tokenizers.Tests.Chat;

public sealed class JinjaFloatTests
{
    [Test]
    public void Floats_are_written_as_python_writes_them()
    {
        // Written by tests/differential/jinja/floats.py.
        var lines = File.ReadAllLines(TestFiles.Fixture("jinja", "floats.txt")).Select(l => l.Split(' ')).ToList();
        var wrong = lines.Where(l => JinjaFloatText.Repr(FromBits(l[0])) != l[1]).Select(l =>
            $"{l[1]}: {JinjaFloatText.Repr(FromBits(l[0]))}");

        Assert.That(lines, Has.Count.GreaterThan(900));
        Assert.That(wrong, Is.Empty);
    }

    [Test]
    public void Any_float_reads_back_as_itself_from_the_shortest_digits()
    {
        var random = new Random(7);
        for (int i = 0; i < 100_000; i++)
        {
            double value = BitConverter.Int64BitsToDouble(random.NextInt64(long.MinValue, long.MaxValue));
            if (double.IsFinite(value))
            {
                string text = JinjaFloatText.Repr(value);
                Assert.That(double.Parse(text, CultureInfo.InvariantCulture), Is.EqualTo(value), text);
                Assert.That(Digits(text), Is.EqualTo(Digits(value.ToString("R", CultureInfo.InvariantCulture))), text);
            }
        }
    }

    [TestCase("{'lr': 0.000001, 'eps': 1e-7} | tojson", "{\"lr\": 1e-06, \"eps\": 1e-07}")]
    [TestCase("[1e-6, 1e-7, 1e-11, 1e-12, 1e-16, 1e-19]", "[1e-06, 1e-07, 1e-11, 1e-12, 1e-16, 1e-19]")]
    [TestCase("1e-7 ~ ' ' ~ (1e-7 | string) ~ ' ' ~ '{}'.format(1e-7) ~ ' ' ~ '%s' % 1e-7", "1e-07 1e-07 1e-07 1e-07")]
    [TestCase("1e308 * 10 ~ ' ' ~ -1e308 * 10 ~ ' ' ~ (1e308 * 10 - 1e308 * 10)", "inf -inf nan")]
    [TestCase("[1e308 * 10, -1e308 * 10, 1e308 * 10 - 1e308 * 10] | tojson", "[Infinity, -Infinity, NaN]")]
    [TestCase("2.675 | round(2) ~ ' ' ~ 2.5 | round ~ ' ' ~ 1234 | round(-2) ~ ' ' ~ '%.2f' % 0.125 ~ ' ' ~ '%.0f' % 2.5",
        "2.67 2.0 1200 0.12 2")]
    [TestCase("-7 // 2.0 ~ ' ' ~ -7.5 % 2 ~ ' ' ~ (true + true) ~ ' ' ~ 2 ** 70 ~ ' ' ~ 7 / 2 ~ ' ' ~ 1e3 | int",
        "-4.0 0.5 2 1180591620717411303424 3.5 1000")]
    [TestCase("1000000 | filesizeformat ~ ' ' ~ 1024 | filesizeformat(true) ~ ' ' ~ '%e|%g|%G' % (1e-7, 1e-7, 1e20)",
        "1.0 MB 1.0 KiB 1.000000e-07|1e-07|1E+20")]
    public void Numbers_print_as_in_python(string expression, string expected) =>
        Assert.That(ChatTemplate.Parse("{{ " + expression + " }}").Render([]), Is.EqualTo(expected));

    private static double FromBits(string hex) => BitConverter.UInt64BitsToDouble(ulong.Parse(hex, NumberStyles.AllowHexSpecifier,
        CultureInfo.InvariantCulture));

    private static string Digits(string text) => text.Split('E', 'e')[0].Replace(".", "", StringComparison.Ordinal).Trim('-', '0');
}

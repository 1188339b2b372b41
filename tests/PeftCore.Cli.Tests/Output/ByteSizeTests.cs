using PeftCore.Cli.Output;

namespace PeftCore.Cli.Tests.Output;

public sealed class ByteSizeTests
{
    [TestCase("6GiB", 6L << 30)]
    [TestCase("6 GiB", 6L << 30)]
    [TestCase("1.5g", 3L << 29)]
    [TestCase("512mib", 512L << 20)]
    [TestCase("10GB", 10_000_000_000)]
    [TestCase("1024", 1024)]
    [TestCase("7b", 7)]
    public void Reads_what_people_write(string text, long bytes)
    {
        Assert.That(ByteSize.TryParse(text, out var size), Is.True);
        Assert.That(size.Bytes, Is.EqualTo(bytes));
    }

    [TestCase("")]
    [TestCase("-1")]
    [TestCase("GiB")]
    [TestCase("6 giga")]
    [TestCase("1e3")]
    [TestCase("99999999999999TiB")]
    public void Refuses_the_rest(string text) => Assert.That(ByteSize.TryParse(text, out _), Is.False);

    [TestCase(0, "0 B")]
    [TestCase(1023, "1023 B")]
    [TestCase(1536, "1.5 KiB")]
    [TestCase(12_048L << 20, "11.8 GiB")]
    public void Writes_the_largest_unit_that_fits(long bytes, string text) => Assert.That(new ByteSize(bytes).ToString(), Is.EqualTo(text));
}

using System.Text.RegularExpressions;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Ampere;

namespace PeftCore.Ilgpu.Tests;

public sealed class MmaPtxTests
{
    [Test]
    public void Every_accumulator_takes_part_in_each_16_of_a_stage()
    {
        string[] products = Lines(new MmaPtx(new MmaShape(false, false, false, ResultStore.Pairs)).Expand("peft.multiply %r1;\npeft.last;"),
            "mma.sync");

        Assert.That(products, Has.Length.EqualTo(MmaShape.Depth / 16 * 32));
        Assert.That(products[..32].SelectMany(line => Regex.Matches(line, @"acc\d+").Select(match => match.Value).Distinct()).ToArray(),
            Is.EquivalentTo(Enumerable.Range(0, 128).Select(i => $"acc{i}")));
    }

    [TestCase(false, 0)]
    [TestCase(true, 16)]
    public void An_MN_major_operand_is_transposed_as_it_is_read(bool mnMajor, int transposed)
    {
        string ptx = new MmaPtx(new MmaShape(mnMajor, false, false, ResultStore.Pairs)).Expand("peft.multiply %r1;\npeft.first %r2;");

        Assert.That(Lines(ptx, "ldmatrix"), Has.Length.EqualTo(32));
        Assert.That(Lines(ptx, ".trans"), Has.Length.EqualTo(transposed));
    }

    [Test]
    public void Every_accumulator_is_stored_once()
    {
        string[] stores =
            Lines(new MmaPtx(new MmaShape(false, false, false, ResultStore.Pairs)).Expand(
                "peft.store %rd1, %r1, %r2, %rd2, %r3, %f1, %r4;"), "st.global");

        Assert.That(stores.SelectMany(line => Regex.Matches(line, @"acc\d+").Select(match => match.Value)).ToArray(),
            Is.EquivalentTo(Enumerable.Range(0, 128).Select(i => $"acc{i}")));
    }

    [Test]
    public void Fragments_are_read_into_registers_that_no_product_waits_for()
    {
        string ptx = new MmaPtx(new MmaShape(false, false, false, ResultStore.Pairs)).Expand(
            "peft.first %r1;\npeft.multiply %r1;\npeft.first %r2;\npeft.last;");
        string[] lines = [.. ptx.Split('\n').Where(line => line.StartsWith("ldmatrix", StringComparison.Ordinal)
            || line.StartsWith("mma", StringComparison.Ordinal))];

        for (int step = 0; step < MmaShape.Depth / 16; step++)
        {
            string[] read = Fragments(lines.Skip(8 + (40 * step)).Take(8)), multiplied = Fragments(lines.Skip(16 + (40 * step)).Take(32));
            Assert.That(multiplied, Has.Length.EqualTo(32));
            Assert.That(read, Has.Length.EqualTo(32));
            Assert.That(read.Intersect(multiplied), Is.Empty, "what is read is for the products after these");
        }
    }

    private static string[] Fragments(IEnumerable<string> lines) =>
        [.. lines.SelectMany(line => Regex.Matches(line, @"\bf[ab]\d+").Select(match => match.Value)).Distinct()];

    [Test]
    public void Two_thread_blocks_fit_a_processor() => Assert.That(2 * (MmaShape.SharedBytes + 1024), Is.LessThanOrEqualTo(227 * 1024));

    private static string[] Lines(string ptx, string instruction) =>
        [.. ptx.Split('\n').Where(line => line.Contains(instruction, StringComparison.Ordinal))];
}

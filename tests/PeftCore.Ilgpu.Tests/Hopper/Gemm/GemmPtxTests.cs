using System.Text.RegularExpressions;
using PeftCore.Kernels.Ilgpu;
using PeftCore.Kernels.Ilgpu.Hopper.Gemm;

namespace PeftCore.Ilgpu.Tests;

public sealed class GemmPtxTests
{
    private static readonly GemmShape Wide = new(256, 2, 1, false, true, true, ResultStore.Copied);

    [Test]
    public void A_stage_is_multiplied_with_every_accumulator()
    {
        string ptx = Expand(Wide, "peft.multiply %r1, %r2;");
        string[] products = Lines(ptx, "wgmma.mma_async");

        Assert.That(products, Has.Length.EqualTo(GemmShape.Depth / 16));
        Assert.That(products, Has.All.Contains("m64n256k16").And.All.EndsWith("1, 1, 0, 1;"));
        Assert.That(Regex.Matches(products[0], @"\bacc\d+\b"), Has.Count.EqualTo(128));
        Assert.That(ptx, Does.Contain("add.u64 da, da, 2;").And.Contain("add.u64 db, db, 128;"),
            "32 bytes along a row of A, 16 rows of 128 bytes in B");
    }

    [Test]
    public void A_thread_block_of_a_cluster_reads_half_of_B_for_both()
    {
        string[] copies = Lines(Expand(Wide, "peft.load %r1, %r2, %r3, %r4, %r5, %r6;"), "cp.async.bulk");

        Assert.That(copies, Has.Length.EqualTo(3), "128 rows of A at once, two blocks of 64 columns of B");
        Assert.That(copies.Count(copy => copy.Contains(".multicast::cluster", StringComparison.Ordinal)), Is.EqualTo(2));
    }

    [Test]
    public void Patches_are_gathered_at_a_kernel_position()
    {
        string[] copies = Lines(Expand(Wide, "peft.load_patches %r1, %r2, %r3, %r4, %r5, %r6, %r7, %r8, %r9;"), "cp.async.bulk");

        Assert.That(copies, Has.Length.EqualTo(3), "128 patches at once, two blocks of 64 columns of B");
        Assert.That(copies[0], Does.Contain(".4d.").And.Contain(".im2col.").And.EndsWith(
            "[map, {%r2, %r3, %r4, %r5}], [bar], {across, down};"));
        Assert.That(copies[1], Does.Contain("[map, {row, %r9}], [bar], both;"));
    }

    [TestCase("peft.store %rd1, %r1, %r2, %rd2, %r3, %r4, %r5, %r6;", true, "st.global")]
    [TestCase("peft.store %rd1, %r1, %r2, %rd2, %r3, %r4, %r5, %r6;", false, "st.global")]
    [TestCase("peft.store_partial %rd1;", true, "st.global")]
    public void Every_accumulator_is_stored_once(string macro, bool pairs, string instruction)
    {
        string ptx = Expand(new GemmShape(128, 1, 1, false, false, false, pairs ? ResultStore.Pairs : ResultStore.Singles), macro);
        var stored = Lines(ptx, instruction).SelectMany(line => Regex.Matches(line, @"acc\d+").Select(match => match.Value));

        Assert.That(stored.ToArray(), Is.EquivalentTo(Enumerable.Range(0, 64).Select(i => $"acc{i}")));
    }

    [Test]
    public void Every_accumulator_is_rounded_once_for_the_copy_engine()
    {
        string[] lines = Lines(Expand(Wide, "peft.store %rd1, %r1, %r2, %rd2, %r3, %r4, %r5, %r6;"), "cvt.rn.bf16x2");

        Assert.That(lines.SelectMany(line => Regex.Matches(line, @"acc\d+").Select(match => match.Value)).ToArray(),
            Is.EquivalentTo(Enumerable.Range(0, 128).Select(i => $"acc{i}")));
    }

    [Test]
    public void The_maps_are_a_parameter_and_the_cluster_is_declared()
    {
        string ptx = Expand(Wide, ".visible .entry Some_Kernel(\n\t.param .align 8 .b8 _args_1[8]\n)\n.maxntid 384, 1, 1\n{\n}");

        Assert.That(ptx, Does.Contain("_args_1[8],\n\t.param .align 64 .b8 peft_maps[2560]\n)").And.Contain(
            ".maxntid 384, 1, 1\n.reqnctapercluster 2, 1, 1\n"));
    }

    [Test]
    public void Every_shape_fits_a_processor_with_stages_at_multiples_of_1024()
    {
        foreach (var shape in GemmShapes.All)
        {
            Assert.That(shape.SharedBytes, Is.LessThanOrEqualTo(227 * 1024), shape.ToString());
            Assert.That(shape.Stages, Is.InRange(4, 8), shape.ToString());
            Assert.That(shape.StageBytes % 1024, Is.Zero, shape.ToString());
        }
    }

    [Test]
    public void An_unknown_macro_is_an_error() =>
        Assert.That(() => Expand(Wide, "peft.conquer;"), Throws.InvalidOperationException.With.Message.Contains("conquer"));

    private static string Expand(GemmShape shape, string ptx) => new GemmPtx(shape).Expand(ptx);

    private static string[] Lines(string ptx, string instruction) =>
        [.. ptx.Split('\n').Where(line => line.Contains(instruction, StringComparison.Ordinal))];
}

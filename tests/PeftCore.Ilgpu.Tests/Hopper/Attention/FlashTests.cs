using System.Text.RegularExpressions;
using PeftCore.Kernels;
using PeftCore.Kernels.Ilgpu.Hopper.Attention;

namespace PeftCore.Ilgpu.Tests;

public sealed class FlashTests
{
    private static IEnumerable<FlashGeometry> Geometries =>
        (from dim in FlashGeometry.Dims
         from of in new Func<int, FlashGeometry>[] { FlashGeometry.Forward, FlashGeometry.QueryGradient,
             dim => FlashGeometry.KeyGradient(dim) }
         select of(dim)).Append(FlashGeometry.ValueGradient(256))
        .Concat(FlashGeometry.Dims.Select(dim => FlashGeometry.KeyGradient(dim, terms: true)));

    [TestCaseSource(nameof(Geometries))]
    public void A_thread_block_fits_a_processor(object tiles)
    {
        var geometry = (FlashGeometry)tiles;

        Assert.That(geometry.SharedBytes, Is.LessThanOrEqualTo((227 - 1) * 1024),
            "with room for the little that kernels declare themselves");
        Assert.That(128 * (geometry.CopyRegisters + (geometry.Warpgroups * geometry.ComputeRegisters)), Is.LessThanOrEqualTo(65536));
        Assert.That(new[] { geometry.CopyRegisters, geometry.ComputeRegisters }, Has.All.Matches<int>(count => count % 8 == 0));
        Assert.That(geometry.Stages, Is.LessThanOrEqualTo(FlashGeometry.FirstEmpty - FlashGeometry.FirstFull));
    }

    [TestCaseSource(nameof(Geometries))]
    public void Tiles_do_not_overlap_and_start_where_the_swizzle_does(object tiles)
    {
        var geometry = (FlashGeometry)tiles;
        var parts = new List<(int At, int Bytes)>();
        for (int operand = 0; operand < geometry.Kept; operand++)
        {
            parts.AddRange(Enumerable.Range(0, geometry.Sets).Select(set => (geometry.KeptAt(set, operand), geometry.KeptBytes)));
        }
        for (int operand = 0; operand < 2; operand++)
        {
            parts.AddRange(Enumerable.Range(0, geometry.Stages)
                .Select(stage => (geometry.PassingAt(stage, operand), geometry.PassingBytes)));
        }
        parts.Sort();

        Assert.That(parts.Select(part => part.At % 1024), Is.All.Zero);
        Assert.That(parts.Zip(parts.Skip(1)), Has.All.Matches<((int At, int Bytes), (int At, int))>(two => two.Item1.At +
            two.Item1.Bytes <= two.Item2.At));
        Assert.That(parts[0].At, Is.GreaterThanOrEqualTo(8 * (FlashGeometry.SecondEmpty + geometry.Stages)), "barriers come first");
        Assert.That(geometry.RowStatsAt(0), Is.EqualTo(parts[^1].At + parts[^1].Bytes));
    }

    [TestCase("forward.64", 64, 96)]
    [TestCase("queries.128", 128, 64)]
    [TestCase("keys.64", 64, 128)]
    [TestCase("forward.32", 32, 128)]
    [TestCase("forward.80", 80, 96)]
    [TestCase("keys.96", 96, 64)]
    [TestCase("forward.256", 256, 80)]
    [TestCase("queries.256", 256, 48)]
    [TestCase("keys.256", 256, 32)]
    [TestCase("values.256", 256, 64)]
    public void Scores_are_summed_over_the_head_and_outputs_over_the_tile(string kernel, int dim, int columns)
    {
        string ptx = Expand(kernel, "peft.scores.s %r1, %r2;\npeft.combine.p.o %r3;");
        string[] products = [.. ptx.Split('\n').Where(line => line.StartsWith("wgmma.mma_async", StringComparison.Ordinal))];

        Assert.That(products.Count(line => line.Contains($"m64n{columns}k16") && Regex.Count(line, @"\bs\d+\b") == columns / 2),
            Is.EqualTo(dim / 16));
        Assert.That(products.Count(line => line.Contains($"m64n{dim}k16") && Regex.Count(line, @"\bo\d+\b") == dim / 2),
            Is.EqualTo(columns / 16));
        Assert.That(ptx, Does.Contain("adds, 1, 1, 0, 0;"), "the first step overwrites what the registers held");
    }

    [Test]
    public void Every_sum_is_written_once_and_a_head_of_128_is_sent_in_two_panels()
    {
        string ptx = Expand("forward.128", "peft.stage.o %r1;\npeft.send.result0 %r1, %r2, %r3, %r4, %r5;");

        Assert.That(Regex.Matches(ptx, @"mul\.f32 e\d, (o\d+)").Select(match => match.Groups[1].Value),
            Is.EquivalentTo(Enumerable.Range(0, 64).Select(i => $"o{i}")));
        Assert.That(Regex.Count(ptx, "@sets cp.async.bulk.tensor"), Is.EqualTo(2));
        Assert.That(Regex.Count(ptx, "@adds cp.reduce.async.bulk.tensor"), Is.EqualTo(2));
    }

    [Test]
    public void Arguments_stand_on_the_64_bytes_that_the_copy_engine_wants() =>
        Assert.That(Expand("forward.64", ""), Does.Contain(".param .align 64 .b8 _args_7[856]").And.Contain("mov.b64 maps, _args_7;"));

    [TestCase(8, 32)]
    [TestCase(64, 64)]
    [TestCase(72, 80)]
    [TestCase(160, 256)]
    [TestCase(264, 0)]
    public void A_head_takes_the_narrowest_kernel_that_holds_it(int head, int dim) =>
        Assert.That(FlashGeometry.DimFor(head), Is.EqualTo(dim));

    [TestCase(4, 4096, 16, 16, 13, TestName = "Heads_are_worked_on_in_even_sections_that_the_cache_holds")]
    [TestCase(2, 2048, 16, 8, 32, TestName = "A_section_has_work_for_all_processors")]
    [TestCase(1, 1 << 19, 8, 4, 2, TestName = "Heads_of_a_group_share_their_keys")]
    [TestCase(1, 100, 2, 1, 2, TestName = "A_section_has_no_more_heads_than_there_are")]
    public void Sections(int batch, int length, int heads, int keyHeads, int section)
    {
        var tiles = FlashGeometry.Forward(128);
        var schedule = FlashSchedule.ForQueries(Shape(batch, length, heads, keyHeads, 128), tiles, processors: 132);

        Assert.That(schedule.Section, Is.EqualTo(section));
        Assert.That(schedule.WorkTiles, Is.EqualTo(batch * heads * ((length + tiles.Rows - 1) / tiles.Rows)));
    }

    [TestCase(4, 32, 4, 2)]
    [TestCase(1, 32, 4, 8)]
    [TestCase(4, 32, 32, 1)]
    [TestCase(64, 32, 4, 1)]
    public void Few_key_heads_are_cut_into_splits_of_their_queries(int batch, int heads, int keyHeads, int splits)
    {
        var schedule = FlashSchedule.ForKeys(Shape(batch, 1024, heads, keyHeads, 64), FlashGeometry.KeyGradient(64), processors: 132);

        Assert.That(schedule.Splits, Is.EqualTo(splits));
        Assert.That(schedule.WorkTiles, Is.EqualTo(batch * keyHeads * splits * schedule.Tiles));
    }

    private static AttentionShape Shape(int batch, int length, int heads, int keyHeads, int dim) =>
        new(batch, length, length, heads, keyHeads, dim, 1, 0);

    private static string Expand(string kernel, string macros) =>
        FlashPtx.Expand($".visible .entry Kernel_Run(\n\t.param .align 8 .b8 _args_7[856]\n)\npeft.flash.{kernel};\n{macros}");
}

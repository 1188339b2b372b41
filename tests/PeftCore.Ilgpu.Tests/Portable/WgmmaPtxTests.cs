using System.Text.RegularExpressions;
using PeftCore.Kernels.Ilgpu;

namespace PeftCore.Ilgpu.Tests;

public sealed class WgmmaPtxTests
{
    [Test]
    public void The_target_and_the_shared_memory_are_added()
    {
        string ptx = WgmmaPtx.Expand(".version 8.0\n.target sm_80\n.address_size 64\n.visible .entry Some_Kernel(\n");

        Assert.That(ptx, Does.Contain(".target sm_90a\n").And.Contain(".extern .shared .align 1024"));
        Assert.That(WgmmaPtx.EntryOf(ptx), Is.EqualTo("Some_Kernel"));
    }

    [Test]
    public void A_product_runs_over_the_stage_with_every_accumulator()
    {
        string ptx = WgmmaPtx.Expand("\tpeft.multiply.256.nt %r1, %r2;");
        string[] products = [.. ptx.Split('\n').Where(line => line.StartsWith("wgmma.mma_async", StringComparison.Ordinal))];

        Assert.That(products, Has.Length.EqualTo(WgmmaPtx.Depth / 16));
        Assert.That(products, Has.All.Contains("m64n256k16").And.All.EndsWith("always, 1, 1, 0, 1;"));
        Assert.That(Regex.Matches(products[0], @"\bacc\d+\b"), Has.Count.EqualTo(128));
        Assert.That(ptx, Does.Contain("add.u64 da, da, 2;").And.Contain("add.u64 db, db, 128;"), "32 bytes along a row of A, 16 rows of 128 bytes in B");
    }

    [Test]
    public void Every_accumulator_is_stored_once()
    {
        string ptx = WgmmaPtx.Expand("peft.store.128 %rd1, %r1, %r2, %rd2, %f1, %r3;");
        IEnumerable<string> stored = ptx.Split('\n').Where(line => line.Contains("st.global", StringComparison.Ordinal))
            .SelectMany(line => Regex.Matches(line, @"acc\d+").Select(match => match.Value));

        Assert.That(stored.ToArray(), Is.EquivalentTo(Enumerable.Range(0, 64).Select(i => $"acc{i}")));
    }

    [Test]
    public void An_unknown_macro_is_an_error() => Assert.That(() => WgmmaPtx.Expand("peft.conquer;"), Throws.InvalidOperationException.With.Message.Contains("conquer"));

    [Test]
    public void Four_stages_fit_a_processor() => Assert.That(WgmmaPtx.SharedBytes(256), Is.LessThanOrEqualTo(227 * 1024));
}

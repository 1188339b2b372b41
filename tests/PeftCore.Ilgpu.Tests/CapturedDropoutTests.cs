using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu.Tests;

/// <summary>A captured kernel that is replayed as a later pass draws that pass's mask, which an eager one has in its arguments.</summary>
public abstract class CapturedDropoutTests(string device)
{
    private const ulong Seed = 0x1234_5678_9ABC_DEF0, Site = 9UL << 40, Captured = 2;

    /// <summary>Passes after the captured one, at any distance, also before it and at the captured pass itself.</summary>
    private static readonly ulong[] Passes = [3, 5, 2, 1, 2 + (1UL << 35)];

    private Backend Device => SharedDevices.Open(device, DType.BF16);

    [Test]
    public void Dropout_of_elements_draws_the_mask_of_its_pass([Values(DType.F32, DType.BF16)] DType dtype,
        [Values(1003, 1024)] int count, [Values] bool accumulate)
    {
        using var scope = new TensorScope();
        Tensor x = Random([count], dtype, 1), start = Random([count], dtype, 2), y = Device.NewTensor([count], dtype);
        Check(pass =>
        {
            Device.Copy(start, y);
            Device.Dropout(x, y, 0.3f, Seed, Site + pass, accumulate);
        }, y);
    }

    [Test]
    public void Dropout_of_attention_draws_the_mask_of_its_pass([Values(DType.F32, DType.BF16)] DType dtype, [Values] bool biased)
    {
        using var scope = new TensorScope();
        const int batch = 2, heads = 3, queries = 21, dim = 16;
        var shape = new AttentionShape(batch, queries, queries, heads, heads, dim, 0.25f, 0);
        Shape rows = [batch, queries, heads * dim], scores = [batch, heads, queries];
        Tensor q = Random(rows, dtype, 1), k = Random(rows, dtype, 2), v = Random(rows, dtype, 3), dO = Random(rows, dtype, 4),
            o = Device.NewTensor(rows, dtype), dq = Device.NewTensor(rows, dtype), dk = Device.NewTensor(rows, dtype),
            dv = Device.NewTensor(rows, dtype), lse = Device.NewTensor(scores), delta = Device.NewTensor(scores);
        var bias = biased ? Random([heads, queries, queries], DType.F32, 5) : null;
        var dBias = biased ? Device.NewTensor([heads, queries, queries]) : null;
        Heads Of(Tensor tensor) => new(tensor, heads, dim);
        Check(pass =>
        {
            var call = new AttentionCall(shape, Bias: bias, Dropout: new AttentionDropout(0.3f, Seed, Site + pass));
            Device.Attention(call, Of(q), Of(k), Of(v), Of(o), lse);
            if (dBias is not null)
            {
                Device.Zero(dBias);
            }
            Device.AttentionGradient(call, Of(q), Of(k), Of(v), Of(o), Of(dO), lse, delta, Of(dq), false, Of(dk), false, Of(dv), false,
                dBias, null);
        }, [o, dq, dk, dv, .. dBias is null ? Array.Empty<Tensor>() : [dBias]]);
    }

    private void Check(Action<ulong> run, params Tensor[] results)
    {
        run(Captured); // Compiles the kernels.
        using var graph = ((IGraphCapture)Device).Capture(() => run(Captured), Captured);
        float[][] captured = Read(results);
        foreach (ulong pass in Passes)
        {
            Assert.That(graph.Replay([], pass), Is.True);
            float[][] replayed = Read(results);
            run(pass);
            Assert.That(replayed, Is.EqualTo(Read(results)), $"pass {pass}");
            Assert.That(replayed, pass == Captured ? Is.EqualTo(captured) : Is.Not.EqualTo(captured), $"pass {pass}");
        }
    }

    private Tensor Random(Shape shape, DType dtype, int seed)
    {
        var random = new Random(seed);
        float[] values = [.. Enumerable.Range(0, (int)shape.Count).Select(_ => (2 * random.NextSingle()) - 1)];
        using var f32 = Device.From(values, shape);
        var to = Device.NewTensor(shape, dtype);
        Device.Cast(f32, to);
        return to;
    }

    // Frees what it allocates, because a graph can be replayed only in the memory of its capture.
    private float[][] Read(Tensor[] tensors) => [.. tensors.Select(tensor =>
    {
        using var f32 = Device.NewTensor(tensor.Shape);
        Device.Cast(tensor, f32);
        return f32.ToArray<float>();
    })];
}

[TestFixture]
public sealed class IlgpuCpuCapturedDropoutTests() : CapturedDropoutTests("ilgpu-cpu");

[TestFixture]
public sealed class CudaCapturedDropoutTests() : CapturedDropoutTests("cuda");

using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;
using PeftCore.Tests.Kernels;

namespace PeftCore.Tests.Ops;

internal sealed class AttentionDropoutTests
{
    private static readonly AttentionShape Shape = new(1, 6, 7, 2, 2, 4, 0.5f, 0);

    [Test]
    public void A_replay_draws_the_mask_of_its_own_pass()
    {
        using var cpu = new CpuBackend();
        Tensor q = cpu.From(Numbers.Random(1, 48), [1, 6, 8]), k = cpu.From(Numbers.Random(2, 56), [1, 7, 8]),
            v = cpu.From(Numbers.Random(3, 56), [1, 7, 8]), o = cpu.NewTensor([1, 6, 8]), lse = cpu.NewTensor([1, 2, 6]);
        void Attend(ulong pass) => cpu.Attention(new AttentionCall(Shape, Dropout: new(0.5f, 3, 40 + pass)),
            new Heads(q, 2, 4), new Heads(k, 2, 4), new Heads(v, 2, 4), new Heads(o, 2, 4), lse);

        using var graph = ((IGraphCapture)cpu).Capture(() => Attend(2), pass: 2);
        float[] captured = o.ToArray<float>();
        Assert.That(graph.Replay([], pass: 5), Is.True);
        float[] replayed = o.ToArray<float>();
        Attend(5);

        Assert.That(replayed, Is.EqualTo(o.ToArray<float>()).And.Not.EqualTo(captured));
    }
}

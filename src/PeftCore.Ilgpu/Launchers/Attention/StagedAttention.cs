using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ilgpu;

internal sealed partial class IlgpuBackend
{
    // Heads stored in several ways: through F32 copies.
    private void StagedAttention(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Tensor lse)
    {
        using Float32Staging wq = StageIn(q.Tensor), wk = StageIn(k.Tensor), wv = StageIn(v.Tensor), wo = StageOut(o.Tensor, true);
        Attention(call, q.On(wq.Tensor), k.On(wk.Tensor), v.On(wv.Tensor), o.On(wo.Tensor), lse);
    }

    private void StagedAttentionGradient(in AttentionCall call, Heads q, Heads k, Heads v, Heads o, Heads dO, Tensor lse, Tensor delta,
        Heads? dq, bool accumulateDq, Heads? dk, bool accumulateDk, Heads? dv, bool accumulateDv, Tensor? dBias)
    {
        using Float32Staging wq = StageIn(q.Tensor), wk = StageIn(k.Tensor), wv = StageIn(v.Tensor), wo = StageIn(o.Tensor),
            wdo = StageIn(dO.Tensor);
        // One tensor may take several of the gradients, each its own columns: then they share one copy.
        var copies = new Dictionary<Tensor, Float32Staging>(ReferenceEqualityComparer.Instance);
        AttentionGradient(call, q.On(wq.Tensor), k.On(wk.Tensor), v.On(wv.Tensor), o.On(wo.Tensor), dO.On(wdo.Tensor), lse, delta,
            Target(dq), accumulateDq, Target(dk), accumulateDk, Target(dv), accumulateDv, dBias);
        foreach (var copy in copies.Values)
        {
            copy.Dispose();
        }

        Heads? Target(Heads? heads)
        {
            if (heads is not { } some)
            {
                return null;
            }
            if (!copies.TryGetValue(some.Tensor, out var wide))
            {
                copies.Add(some.Tensor, wide = StageOut(some.Tensor, true));
            }
            return some.On(wide.Tensor);
        }
    }
}

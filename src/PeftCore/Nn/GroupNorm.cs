using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Nn;

/// <summary>Group normalisation (Wu and He 2018) of channels-last pictures or sequences.</summary>
internal sealed class GroupNorm : Layer
{
    private readonly int _groups;
    private readonly float _epsilon;

    /// <summary>Declares the layer.</summary>
    /// <param name="groups">Groups of channels; they divide the channels.</param>
    /// <param name="channels">Channels.</param>
    /// <param name="epsilon">ε</param>
    public GroupNorm(int groups, int channels, float epsilon)
    {
        (_groups, _epsilon) = (groups, epsilon);
        Add("weight", new Parameter([channels]));
        Add("bias", new Parameter([channels]));
    }

    /// <inheritdoc/>
    protected internal override Tensor Compute(Tensor x) =>
        x.GroupNorm(_groups, OwnParameter("weight")!.Value, OwnParameter("bias")!.Value, _epsilon);
}

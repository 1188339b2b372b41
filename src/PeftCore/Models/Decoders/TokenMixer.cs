using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>The part of a block in which tokens read each other: attention, or what a family has in its place.</summary>
internal abstract class TokenMixer : Module
{
    /// <summary>Runs the mixer.</summary>
    /// <param name="x">(B, T, C)</param>
    /// <param name="inputs">Positions, mask and earlier tokens.</param>
    /// <returns>(B, T, C)</returns>
    public abstract Tensor Forward(Tensor x, ModelInputs inputs);
}

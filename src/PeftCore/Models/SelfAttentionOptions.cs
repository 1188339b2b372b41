using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Settings of a block's attention.</summary>
/// <param name="Scale">Factor of q·k, usually 1/√head dim.</param>
/// <param name="Window">Maximum number of keys that a token attends to, its own included; 0 for no limit.</param>
/// <param name="SoftCap">Scores s become cap·tanh(s/cap); 0 for none.</param>
/// <param name="Slopes">F32 (heads): ALiBi slopes, or null.</param>
/// <param name="Bias">See <see cref="AttentionOptions"/>.</param>
/// <param name="Sinks">See <see cref="AttentionOptions"/>.</param>
/// <param name="Dropout">The key of a dropout mask on the probabilities.</param>
internal sealed record SelfAttentionOptions(float Scale, int Window = 0, float SoftCap = 0, Tensor? Slopes = null, Tensor? Bias = null,
    Tensor? Sinks = null, DropoutKey Dropout = default);

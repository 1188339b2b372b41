using PeftCore.Nn;

namespace PeftCore.Optim;

/// <summary>The factors of one LoRA layer, as <see cref="LoraFa"/> needs them.</summary>
/// <param name="A">(r, in), frozen.</param>
/// <param name="B">(out, r), trained.</param>
/// <param name="Scale">s, which multiplies B·A.</param>
internal readonly record struct FactorPair(Parameter A, Parameter B, float Scale);

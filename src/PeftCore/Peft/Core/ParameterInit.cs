using PeftCore.Backends;
using PeftCore.Nn;

namespace PeftCore.Peft;

/// <summary>How parameters of adapters start.</summary>
internal static class ParameterInit
{
    extension(Parameter parameter)
    {
        /// <summary>All zeros.</summary>
        public Parameter Zero()
        {
            parameter.Value.Backend.Zero(parameter.Value);
            return parameter;
        }

        /// <summary>One number everywhere.</summary>
        public Parameter Fill(float value)
        {
            parameter.Value.Backend.FillUniform(parameter.Value, value, value, 0, 0);
            return parameter;
        }

        /// <summary>Normal numbers.</summary>
        public Parameter Normal(float mean, float deviation, ulong seed, ulong stream)
        {
            parameter.Value.Backend.FillNormal(parameter.Value, mean, deviation, seed, stream);
            return parameter;
        }

        /// <summary>Uniform numbers in ± a bound.</summary>
        public Parameter Uniform(float bound, ulong seed, ulong stream)
        {
            parameter.Value.Backend.FillUniform(parameter.Value, -bound, bound, seed, stream);
            return parameter;
        }

        /// <summary>Uniform in ±√(6/((1 + a²)·fan_in)) with a = √5, which is ±1/√fan_in (He et al. 2015), with as many inputs as
        /// columns.</summary>
        public Parameter Kaiming(ulong seed, ulong stream) =>
            parameter.Uniform(1 / MathF.Sqrt(Math.Max(1, parameter.Shape.Columns)), seed, stream);
    }
}

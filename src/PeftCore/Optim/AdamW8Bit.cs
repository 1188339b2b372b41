using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Nn;
using PeftCore.Tensors;

namespace PeftCore.Optim;

/// <summary>AdamW with moments of 8 bits (Dettmers et al. 2022, "8-bit Optimizers via Block-wise Quantization", arXiv 2110.02861), in the
/// arithmetic and with the state of bitsandbytes 0.44 to 0.50: a code and 1/64 byte of scales for each moment of an element, blocks of 256.
/// Parameters of fewer than 4,096 elements keep F32 moments. See <see cref="BlockwiseAdamFactors"/> for the equations.</summary>
internal sealed class AdamW8Bit : Optimizer
{
    /// <summary>Elements from which on a parameter has 8-bit moments: bitsandbytes' min_8bit_size.</summary>
    public const int MinElements = 4096;

    private readonly float _beta1, _beta2, _epsilon;

    /// <inheritdoc cref="AdamW(IReadOnlyList{ValueTuple{string, Parameter}}, float, float, float, float, Func{string, Parameter, bool}?)"/>
    public AdamW8Bit(IReadOnlyList<(string Name, Parameter Parameter)> parameters, float beta1 = 0.9f, float beta2 = 0.999f,
        float epsilon = 1e-8f, float weightDecay = 0, Func<string, Parameter, bool>? decays = null, bool isPaged = false)
        : base(parameters, Hyperparameters.Checked(weightDecay, beta1, beta2, epsilon), decays, new StateFactory().New, isPaged) =>
        (_beta1, _beta2, _epsilon) = (beta1, beta2, epsilon);

    /// <inheritdoc/>
    private protected override void Update(IReadOnlyList<ParameterState> states, float learningRate, float gradientScale)
    {
        var tensors = new AdamW8BitTensors[states.Count];
        for (int i = 0; i < tensors.Length; i++)
        {
            var state = states[i];
            var moments = state.Moments;
            var step = new Optimizers.AdamW(learningRate, _beta1, _beta2, _epsilon, state.WeightDecay, state.Steps);
            tensors[i] = new AdamW8BitTensors(step, state.Parameter.Value, state.Parameter.Gradient!, moments[0].Value, moments[1].Value,
                IsSmall(state) ? null : new BlockScales(moments[2].Value, moments[3].Value, state.Tables[0].Value, state.Tables[1].Value));
        }
        tensors[0].Parameter.Backend.AdamW8Bit(tensors, gradientScale);
    }

    /// <summary>Moments that come into another block are encoded anew.</summary>
    private protected override void Permute(ParameterState state, ReadOnlySpan<int> before)
    {
        if (IsSmall(state))
        {
            base.Permute(state, before);
            return;
        }
        Permute(state.Moments[0], state.Moments[2], DynamicMap.Signed, before);
        Permute(state.Moments[1], state.Moments[3], DynamicMap.Unsigned, before);
    }

    private static void Permute(Moment moment, Moment absmax, DynamicMap map, ReadOnlySpan<int> before)
    {
        using Moment.Hold codesResident = moment.Resident(), scalesResident = absmax.Resident();
        float[] old = BlockwiseCodes.Decode(moment.Value.ToBytes(), absmax.Value.ToArray<float>(), map);
        var (codes, scales) = BlockwiseCodes.Encode(Permuted(old, before), map);
        moment.Value.Upload<byte>(codes);
        absmax.Value.Upload<float>(scales);
    }

    private static bool IsSmall(ParameterState state) => state.Tables.Count == 0;

    /// <summary>Allocates the state of parameters, and the tables once.</summary>
    private sealed class StateFactory
    {
        private IReadOnlyList<(string, Tensor)>? _tables;

        public StateTensors New(Parameter parameter, StateMemory memory)
        {
            var shape = parameter.Shape;
            if (shape.Count < MinElements)
            {
                return new([memory.New("state1", parameter, shape), memory.New("state2", parameter, shape)], []);
            }
            var backend = parameter.Value.Backend;
            _tables ??= [("qmap1", Table(backend, DynamicMap.Signed)), ("qmap2", Table(backend, DynamicMap.Unsigned))];
            Shape blocks = [checked((int)BlockwiseCodes.Blocks(shape.Count))];
            return new([memory.New("state1", parameter, shape, DType.U8), memory.New("state2", parameter, shape, DType.U8),
                memory.New("absmax1", parameter, blocks), memory.New("absmax2", parameter, blocks)], _tables);
        }

        private static Tensor Table(Backend backend, DynamicMap map) =>
            backend.From(map.Values, [DynamicMap.Count], MemoryKind.Optimizer).Keep();
    }
}

using System.Globalization;
using System.Text.RegularExpressions;

namespace PeftCore.Ilgpu.Tests;

/// <summary>Runs straight-line PTX of one thread: enough of the instructions for the macros between two products. Registers are 64 bits by
/// name; global memory is an array of floats from address 0, and so is shared memory.</summary>
internal sealed partial class PtxThread(float[] global, float[] shared)
{
    private readonly Dictionary<string, ulong> _registers = new() { ["sbase"] = 0 };

    public float this[string register]
    {
        get => Float(_registers[register]);
        set => _registers[register] = Bits(value);
    }

    public void Run(string ptx)
    {
        foreach (string line in ptx.Split('\n').Select(line => line.Trim().TrimEnd(';')))
        {
            if (line.Length > 0 && line[0] is not ('{' or '}' or '.') && Instruction().Match(line) is { Success: true } match)
            {
                string guard = match.Groups["guard"].Value;
                if (guard.Length == 0 || _registers[guard] != 0)
                {
                    Step(match.Groups["name"].Value, [.. Operand().Matches(match.Groups["operands"].Value).Select(one => one.Value)]);
                }
            }
        }
    }

    private void Step(string name, string[] a)
    {
        switch (name)
        {
            case "mov.f32" or "mov.b64": _registers[a[0]] = Value(a[1]); break;
            case "add.f32": Set(a[0], F(a[1]) + F(a[2])); break;
            case "sub.f32": Set(a[0], F(a[1]) - F(a[2])); break;
            case "mul.f32": Set(a[0], F(a[1]) * F(a[2])); break;
            case "neg.f32": Set(a[0], -F(a[1])); break;
            case "max.f32": Set(a[0], Math.Max(F(a[1]), F(a[2]))); break;
            case "fma.rn.f32": Set(a[0], MathF.FusedMultiplyAdd(F(a[1]), F(a[2]), F(a[3]))); break;
            case "ex2.approx.ftz.f32": Set(a[0], MathF.Pow(2, F(a[1]))); break;
            case "lg2.approx.f32": Set(a[0], MathF.Log2(F(a[1]))); break;
            case "rcp.approx.ftz.f32" or "rcp.rn.f32": Set(a[0], 1 / F(a[1])); break;
            case "selp.f32": _registers[a[0]] = _registers[a[3]] != 0 ? Value(a[1]) : Value(a[2]); break;
            case "and.b32": _registers[a[0]] = (uint)Value(a[1]) & (uint)Value(a[2]); break;
            case "add.u32" or "add.s64": _registers[a[0]] = Value(a[1]) + Value(a[2]); break;
            case "mul.lo.s64": _registers[a[0]] = Value(a[1]) * Value(a[2]); break;
            case "setp.gt.f32": _registers[a[0]] = F(a[1]) > F(a[2]) ? 1ul : 0; break;
            case "setp.gt.s32": _registers[a[0]] = (int)Value(a[1]) > (int)Value(a[2]) ? 1ul : 0; break;
            case "setp.gt.and.s32": _registers[a[0]] = (int)Value(a[1]) > (int)Value(a[2]) && _registers[a[3]] != 0 ? 1ul : 0; break;
            case "setp.ne.s32" or "setp.ne.u32": _registers[a[0]] = (uint)Value(a[1]) != (uint)Value(a[2]) ? 1ul : 0; break;
            case "ld.global.nc.f32" or "ld.global.f32": Set(a[0], global[Address(a[1])]); break;
            case "ld.global.nc.v2.f32" or "ld.global.v2.f32": LoadPair(global, a); break;
            case "ld.shared.v2.f32": LoadPair(shared, a); break;
            case "st.global.f32": global[Address(a[0])] = F(a[1]); break;
            case "st.global.v2.f32": (global[PairAddress(a[0])], global[Address(a[0]) + 1]) = (F(a[1]), F(a[2])); break;
            case "cvt.rn.bf16x2.f32": break; // The tests read the F32 numbers.
            default: throw new NotSupportedException($"the instruction {name}");
        }
    }

    private int PairAddress(string operand)
    {
        int at = Address(operand);
        Assert.That(at % 2, Is.Zero, "two numbers are at an aligned address");
        return at;
    }

    private void LoadPair(float[] memory, string[] a)
    {
        int at = PairAddress(a[2]);
        Set(a[0], memory[at]);
        Set(a[1], memory[at + 1]);
    }

    // The index of "[register+offset]".
    private int Address(string operand)
    {
        string[] parts = operand.Trim('[', ']').Split('+');
        long bytes = (long)Value(parts[0]) + (parts.Length > 1 ? long.Parse(parts[1], CultureInfo.InvariantCulture) : 0);
        Assert.That(bytes % 4, Is.Zero);
        return (int)(bytes / 4);
    }

    private void Set(string register, float value) => _registers[register] = Bits(value);

    private float F(string operand) => Float(Value(operand));

    private ulong Value(string operand) =>
        operand.StartsWith("0f", StringComparison.Ordinal) || operand.StartsWith("0x", StringComparison.Ordinal)
            ? uint.Parse(operand[2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture)
            : char.IsAsciiDigit(operand[0]) || operand[0] == '-'
                ? (ulong)long.Parse(operand, CultureInfo.InvariantCulture)
                : _registers[operand];

    private static float Float(ulong bits) => BitConverter.UInt32BitsToSingle((uint)bits);

    private static ulong Bits(float value) => BitConverter.SingleToUInt32Bits(value);

    [GeneratedRegex(@"^(@(?<guard>\w+)\s+)?(?<name>[\w.]+)\s+(?<operands>.*)$")]
    private static partial Regex Instruction();

    [GeneratedRegex(@"\[[^\]]*\]|-?[\w%.]+")]
    private static partial Regex Operand();
}

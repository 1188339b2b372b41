using System.Globalization;
using System.Text.RegularExpressions;

namespace PeftCore.Ilgpu.Tests;

/// <summary>Runs one thread of ILGPU's PTX, branches included: the integer instructions of a schedule. Macros of the kernel are handed to
/// the caller with the values of their arguments. Global memory is an array of integers from address 0.</summary>
internal sealed partial class PtxFlow(int[] global, IReadOnlyDictionary<int, long> parameters)
{
    private readonly Dictionary<string, long> _registers = [];

    /// <summary>A value by register name, such as "%tid.x".</summary>
    public long this[string register]
    {
        set => _registers[register] = value;
    }

    public void Run(string ptx, Action<string, long[]> macro)
    {
        string[] lines = [.. ptx.Split('\n').Select(line => line.Trim().TrimEnd(';'))];
        var labels = lines.Select((line, at) => (line, at)).Where(one => one.line.EndsWith(':'))
            .ToDictionary(one => one.line.TrimEnd(':'), one => one.at);
        for (int at = 0, steps = 0; at < lines.Length && lines[at] != "ret"; at++, steps++)
        {
            Assert.That(steps, Is.LessThan(1_000_000), "the thread ends");
            if (Instruction().Match(lines[at]) is not { Success: true } match)
            {
                continue;
            }
            string guard = match.Groups["guard"].Value, name = match.Groups["name"].Value;
            string[] a = [.. match.Groups["operands"].Value.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)];
            if (guard.Length > 0 && _registers[guard] == 0)
            {
                continue;
            }
            if (name.StartsWith("peft.", StringComparison.Ordinal))
            {
                macro(name, Array.ConvertAll(a, Value));
            }
            else if (name is "bra" or "bra.uni")
            {
                at = labels[a[0]];
            }
            else
            {
                _registers[a[0]] = Result(name, a);
            }
        }
    }

    private long Result(string name, string[] a) => name.Split('.') switch
    {
        ["ld", "param", ..] => parameters.GetValueOrDefault(Offset().Match(a[1]) is { Success: true } at
            ? int.Parse(at.Groups["bytes"].Value, CultureInfo.InvariantCulture) : 0),
        ["ld", "b32"] => global[Value(a[1].Trim('[', ']')) / 4],
        ["mov", ..] or ["cvt", ..] => Value(a[1]),
        ["add", ..] => Value(a[1]) + Value(a[2]),
        ["sub", ..] => Value(a[1]) - Value(a[2]),
        ["mul", ..] => Value(a[1]) * Value(a[2]),
        ["div", ..] => Value(a[1]) / Value(a[2]),
        ["rem", ..] => Value(a[1]) % Value(a[2]),
        ["shl", ..] => Value(a[1]) << (int)Value(a[2]),
        ["shr", ..] => Value(a[1]) >> (int)Value(a[2]),
        ["selp", ..] => Value(a[3]) != 0 ? Value(a[1]) : Value(a[2]),
        ["setp", "lt", _] => Bit(Value(a[1]) < Value(a[2])),
        ["setp", "le", _] => Bit(Value(a[1]) <= Value(a[2])),
        ["setp", "gt", _] => Bit(Value(a[1]) > Value(a[2])),
        ["setp", "ge", _] => Bit(Value(a[1]) >= Value(a[2])),
        ["setp", "eq", _] => Bit(Value(a[1]) == Value(a[2])),
        ["setp", "ne", _] => Bit(Value(a[1]) != Value(a[2])),
        _ => throw new NotSupportedException($"the instruction {name}"),
    };

    private static long Bit(bool value) => value ? 1 : 0;

    private long Value(string operand) => operand[0] == '%' ? _registers[operand]
        : operand.StartsWith("0f", StringComparison.Ordinal) ? int.Parse(operand[2..], NumberStyles.HexNumber, CultureInfo.InvariantCulture)
        : (int)long.Parse(operand, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"^(@(?<guard>%\w+)\s+)?(?<name>[a-z][\w.]*)(\s+(?<operands>.*))?$")]
    private static partial Regex Instruction();

    [GeneratedRegex(@"\+(?<bytes>\d+)\]")]
    private static partial Regex Offset();
}

using System.Reflection;
using System.Runtime.CompilerServices;

namespace PeftCore.Tests.Architecture;

/// <summary>The public surface of an assembly, one line per member, sorted.</summary>
internal static class PublicApi
{
    private const BindingFlags Declared = BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.Static | BindingFlags.Instance |
        BindingFlags.DeclaredOnly;

    public static string[] Lines(Assembly assembly) =>
        [.. assembly.GetExportedTypes().Where(IsWritten).SelectMany(type => Members(type).Prepend(Declaration(type))).Distinct()
            .Order(StringComparer.Ordinal)];

    private static IEnumerable<string> Members(Type type)
    {
        if (type.IsSubclassOf(typeof(Delegate)))
        {
            return [];
        }

        string owner = Full(type);
        return type.GetMembers(Declared).Where(IsWritten).Select(member => member switch
        {
            ConstructorInfo constructor when Visible(constructor) => $"{owner}({Parameters(constructor)})",
            MethodInfo { IsSpecialName: false } method when Visible(method) => Signature(owner, method),
            MethodInfo method when Visible(method) && method.Name.StartsWith("op_", StringComparison.Ordinal) => Signature(owner, method),
            PropertyInfo property when Visible(property.GetMethod ?? property.SetMethod) => Property(owner, property),
            FieldInfo field when field is { IsPublic: true } or { IsFamily: true } && !field.IsSpecialName => Field(owner, field),
            EventInfo happening when Visible(happening.AddMethod) =>
                $"{owner}.{happening.Name} : event {Name(happening.EventHandlerType!)}",
            _ => "",
        }).Where(line => line.Length > 0);
    }

    private static string Declaration(Type type)
    {
        string kind = type switch
        {
            { IsEnum: true } => "enum",
            { IsInterface: true } => "interface",
            { IsValueType: true } => "struct",
            _ when type.IsSubclassOf(typeof(Delegate)) => "delegate",
            { IsAbstract: true, IsSealed: true } => "static class",
            { IsAbstract: true } => "abstract class",
            { IsSealed: true } => "sealed class",
            _ => "class",
        };
        IEnumerable<Type> inherited = type.IsEnum || type.IsValueType || type.BaseType is null || type.BaseType == typeof(object) ? []
            : [type.BaseType];
        var contracts = type.GetInterfaces().Where(contract => contract.IsPublic
            && contract.Namespace!.StartsWith("PeftCore", StringComparison.Ordinal));
        string[] parents = [.. inherited.Concat(type.IsEnum ? [] : contracts).Select(Name)];
        string invoke = type.GetMethod("Invoke") is { } call && kind == "delegate" ? $"({Parameters(call)}) : {Name(call.ReturnType)}" : "";
        return $"{Full(type)}{invoke}{(parents.Length > 0 && invoke == "" ? " : " + string.Join(", ", parents) : "")}, {kind}";
    }

    private static string Signature(string owner, MethodInfo method)
    {
        string generic = method.IsGenericMethod ? $"<{string.Join(", ", method.GetGenericArguments().Select(Name))}>" : "";
        return $"{owner}.{method.Name}{generic}({Parameters(method)}) : {Name(method.ReturnType)}{Modifier(method)}";
    }

    private static string Property(string owner, PropertyInfo property)
    {
        string index = property.GetIndexParameters() is { Length: > 0 } at ? $"[{string.Join(", ", at.Select(Parameter))}]" : "";
        bool init = property.SetMethod?.ReturnParameter.GetRequiredCustomModifiers().Contains(typeof(IsExternalInit)) == true;
        string accessors = (Visible(property.GetMethod) ? " get;" : "") + (Visible(property.SetMethod) ? init ? " init;" : " set;" : "");
        return $"{owner}.{property.Name}{index} {{{accessors} }} : " +
            $"{Name(property.PropertyType)}{Modifier(property.GetMethod ?? property.SetMethod!)}";
    }

    private static string Field(string owner, FieldInfo field) =>
        field.IsLiteral ? $"{owner}.{field.Name} = {field.GetRawConstantValue()}"
        : $"{owner}.{field.Name} : {Name(field.FieldType)}{(field.IsStatic ? ", static" : "")}";

    private static string Modifier(MethodInfo method) =>
        method.IsStatic ? ", static" : method.DeclaringType!.IsInterface ? "" : method.IsAbstract ? ", abstract"
        : method is { IsVirtual: true, IsFinal: false } ? ", virtual" : "";

    private static string Parameters(MethodBase method) => string.Join(", ", method.GetParameters().Select(Parameter));

    private static string Parameter(ParameterInfo parameter) =>
        $"{(parameter.IsOut ? "out " : parameter.IsIn ? "in " : parameter.ParameterType.IsByRef ? "ref " : "")}{Name(parameter.ParameterType)} {parameter.Name}{(parameter.HasDefaultValue ? " = " + (parameter.RawDefaultValue ?? "default") : "")}";

    private static bool Visible(MethodBase? method) => method is { IsPublic: true } or { IsFamily: true } or { IsFamilyOrAssembly: true };

    // Members that the compiler generates (of records and extension groups) are not listed.
    private static bool IsWritten(MemberInfo member) =>
        !member.Name.Contains('<') && !member.IsDefined(typeof(CompilerGeneratedAttribute)) && !IsRecordPlumbing(member);

    private static bool IsRecordPlumbing(MemberInfo member) =>
        member is MethodInfo
        {
            Name: "Equals" or "GetHashCode" or "ToString" or "PrintMembers" or "Deconstruct" or "op_Equality"
            or "op_Inequality"
        }
        && member.DeclaringType!.GetMethod("<Clone>$") is not null;

    private static string Name(Type type)
    {
        if (type.IsByRef)
        {
            return Name(type.GetElementType()!);
        }

        if (type.IsArray)
        {
            return $"{Name(type.GetElementType()!)}[{new string(',', type.GetArrayRank() - 1)}]";
        }

        if (type.IsPointer)
        {
            return $"{Name(type.GetElementType()!)}*";
        }

        if (type.IsGenericParameter)
        {
            return type.Name;
        }

        if (Nullable.GetUnderlyingType(type) is { } inner)
        {
            return $"{Name(inner)}?";
        }

        string name = Keyword(type) ?? (type.IsNested ? $"{Name(type.DeclaringType!)}." : "") + type.Name.Split('`')[0];
        return type.IsGenericType && type.Name.Contains('`') ? $"{name}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>"
            : name;
    }

    private static string Full(Type type) => $"{type.Namespace}.{Name(type)}";

    private static string? Keyword(Type type) => type.IsEnum ? null : Type.GetTypeCode(type) switch
    {
        TypeCode.Boolean => "bool",
        TypeCode.Byte => "byte",
        TypeCode.SByte => "sbyte",
        TypeCode.Int16 => "short",
        TypeCode.UInt16 => "ushort",
        TypeCode.Int32 => "int",
        TypeCode.UInt32 => "uint",
        TypeCode.Int64 => "long",
        TypeCode.UInt64 => "ulong",
        TypeCode.Single => "float",
        TypeCode.Double => "double",
        TypeCode.String => "string",
        _ => type == typeof(void) ? "void" : type == typeof(object) ? "object" : null,
    };
}

using System.Reflection;
using System.Reflection.Emit;

namespace PeftCore.Misuse;

/// <summary>Calls a method with arguments in an array. Unlike reflection it passes spans, made from arrays, and wraps no
/// exception.</summary>
internal static class Invoker
{
    public static Func<object?, object?[], object?> Of(MethodBase method)
    {
        var call = new DynamicMethod(method.Name, typeof(object), [typeof(object), typeof(object[])], typeof(Invoker).Module, true);
        var il = call.GetILGenerator();
        var owner = method.DeclaringType!;
        if (!method.IsStatic && method is MethodInfo)
        {
            il.Emit(OpCodes.Ldarg_0);
            il.Emit(owner.IsValueType ? OpCodes.Unbox : OpCodes.Castclass, owner);
        }
        var parameters = method.GetParameters();
        for (int i = 0; i < parameters.Length; i++)
        {
            Load(il, parameters[i], i);
        }
        if (method is ConstructorInfo constructor)
        {
            il.Emit(OpCodes.Newobj, constructor);
            Box(il, owner);
        }
        else
        {
            il.Emit(method.IsStatic || owner.IsValueType ? OpCodes.Call : OpCodes.Callvirt, (MethodInfo)method);
            Box(il, ((MethodInfo)method).ReturnType);
        }
        il.Emit(OpCodes.Ret);
        return call.CreateDelegate<Func<object?, object?[], object?>>();
    }

    /// <summary>Whether a type is a span, which is passed as an array of its elements.</summary>
    public static bool IsSpan(Type type) => type.IsByRefLike && type.IsGenericType
        && type.GetGenericTypeDefinition() is var open && (open == typeof(ReadOnlySpan<>) || open == typeof(Span<>));

    private static void Load(ILGenerator il, ParameterInfo parameter, int index)
    {
        var type = parameter.ParameterType;
        if (!type.IsByRef)
        {
            LoadValue(il, type, index);
            return;
        }
        var element = type.GetElementType()!;
        var local = il.DeclareLocal(element);
        if (!parameter.IsOut)
        {
            LoadValue(il, element, index);
            il.Emit(OpCodes.Stloc, local);
        }
        il.Emit(OpCodes.Ldloca, local);
    }

    private static void LoadValue(ILGenerator il, Type type, int index)
    {
        il.Emit(OpCodes.Ldarg_1);
        il.Emit(OpCodes.Ldc_I4, index);
        il.Emit(OpCodes.Ldelem_Ref);
        if (IsSpan(type))
        {
            var array = type.GetGenericArguments()[0].MakeArrayType();
            il.Emit(OpCodes.Castclass, array);
            il.Emit(OpCodes.Call, type.GetMethod("op_Implicit", [array])!);
        }
        else
        {
            il.Emit(type.IsValueType ? OpCodes.Unbox_Any : OpCodes.Castclass, type);
        }
    }

    private static void Box(ILGenerator il, Type type)
    {
        if (type == typeof(void))
        {
            il.Emit(OpCodes.Ldnull);
        }
        else if (IsSpan(type))
        {
            var local = il.DeclareLocal(type);
            il.Emit(OpCodes.Stloc, local);
            il.Emit(OpCodes.Ldloca, local);
            il.Emit(OpCodes.Call, type.GetMethod("ToArray")!);
        }
        else if (type.IsValueType)
        {
            il.Emit(OpCodes.Box, type);
        }
    }
}
